//! Read models: rows and checkpoints in one transaction, in the database of the log or in one of their own.

use std::sync::Arc;

use async_trait::async_trait;
use gesta_core::{
    CheckpointStore,
    read_model::{Commit, ReadModelError, ReadModelStore, Row, Statement},
};

use crate::{
    ConnectError, Options, PostgresStore,
    connect::Connector,
    database::Database,
    migrate::{Part, migrate},
    probe::probe,
};

mod answer;
mod bind;
mod commit;
mod failure;
mod guard;
mod numeric;
mod query;

/// Read models with their checkpoints, in one PostgreSQL database. Clones are the same.
///
/// The rows are in the schema `read_models`, which is all that projections and queries reach. They share the database of a
/// log ([`PostgresStore::read_models`](crate::PostgresStore::read_models)) or have one of their own, made by
/// [`ReadModels::connect`]: then the checkpoints of projections are there too, in the transaction of their rows.
#[derive(Clone)]
pub struct ReadModels(Database);

impl ReadModels {
    /// Connects to a database that is for read models only, whatever holds the log; makes its schema if there is none.
    ///
    /// Fails like [`PostgresStore::connect`](crate::PostgresStore::connect). A database that holds a log serves as well.
    pub async fn connect(url: &str, options: Options) -> Result<Self, ConnectError> {
        let connector = Connector::new(url, &options)?;
        let (mut client, driver) = connector.client().await?;
        probe(&client, connector.place()).await?;
        migrate(&mut client, &connector, Part::State).await?;
        drop(client);
        let _ = driver.await;
        Ok(Self(Database::new(connector.pool(&options)?, &options)))
    }

    /// Those beside a log.
    fn beside(store: &PostgresStore) -> Self {
        Self(Database::of(store))
    }

    pub(crate) fn database(&self) -> &Database {
        &self.0
    }
}

impl PostgresStore {
    /// The read models in the database of the log.
    pub fn read_models(&self) -> Arc<dyn ReadModelStore> {
        Arc::new(ReadModels::beside(self))
    }

    /// Where processors stopped. Leases end by the clock of the server, whatever the clocks of processes say.
    pub fn checkpoints(&self) -> Arc<dyn CheckpointStore> {
        Arc::new(ReadModels::beside(self))
    }
}

#[async_trait]
impl ReadModelStore for ReadModels {
    async fn commit(&self, commit: Commit) -> Result<(), ReadModelError> {
        commit::make(&self.0, &commit).await
    }

    async fn query_together(&self, statements: Vec<Statement>) -> Result<Vec<Vec<Row>>, ReadModelError> {
        query::answer(&self.0, &statements).await
    }
}

/// How often a transaction is tried that the database took back as a whole, for the sake of another one.
const TRIES: u32 = 4;
