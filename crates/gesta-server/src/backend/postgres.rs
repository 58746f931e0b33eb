//! The PostgreSQL store as what a server stands on.

use std::sync::Arc;

use gesta_postgres::{Options, PostgresStore, ReadModels, StoreStatus};

use super::Backend;
use crate::{
    config::{Config, Database, StoreAddress},
    cursor::CursorKey,
    error::ServeError,
    health::StoreReport,
    owner::Owner,
};

impl Backend {
    /// The log in a PostgreSQL database, which other processes may share; its schema is made if there is none.
    ///
    /// Fails when the database cannot be used; the error says what to do and names no password.
    pub async fn postgres(url: &str, options: Options) -> Result<Self, ServeError> {
        let store = PostgresStore::connect(url, options).await?;
        let (probed, closed) = (store.clone(), store.clone());
        Ok(Self {
            catalog: Arc::new(store.clone()),
            checkpoints: store.checkpoints(),
            snapshots: Some(store.snapshots()),
            read_models: Some(store.read_models()),
            cursors: CursorKey::kept(store.cursor_key()),
            probe: Arc::new(move || report(probed.status())),
            owner: Owner::of_process(),
            is_shared: true,
            place: format!("postgres://{}", store.status().place),
            folder: None,
            close: Box::pin(async move {
                closed.close().await;
                Ok(())
            }),
            store: Arc::new(store),
        })
    }

    /// The store that the configuration names. A server opens it with [`open`](crate::open), which listens first.
    ///
    /// Fails when the store cannot be used, as [`Backend::file`] and [`Backend::postgres`] do.
    pub async fn configured(config: &Config) -> Result<Self, ServeError> {
        let StoreAddress::Postgres(database) = &config.store else {
            let segments = (config.first_segment_bytes, config.largest_segment_bytes);
            let options = gesta_file::Options::default().segment_bytes(segments.0, segments.1);
            return Self::file(&config.data, options).await;
        };
        let options = Options::default().connections(config.store_connections);
        let backend = Self::postgres(&address(config, database)?, options.clone()).await?;
        let StoreAddress::Postgres(other) = &config.read_models else { return Ok(backend) };
        let read_models = ReadModels::connect(&address(config, other)?, options).await?;
        Ok(backend.with_read_models(Arc::new(read_models)))
    }
}

fn address(config: &Config, database: &Database) -> Result<String, ServeError> {
    let file = config.store_password_file.as_deref();
    database.with_password_of(file).map_err(|source| ServeError::Password {
        file: file.map(ToOwned::to_owned).unwrap_or_default(),
        source,
    })
}

fn report(status: StoreStatus) -> StoreReport {
    StoreReport {
        kind: "postgres",
        lowered: status.lowered,
        failed: status.failure,
        ..StoreReport::working(status.head, status.durability)
    }
}
