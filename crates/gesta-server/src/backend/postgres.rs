//! The PostgreSQL store as what a server stands on.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use gesta_core::EventStore;
use gesta_postgres::{Options, PostgresStore, ReadModels, StoreStatus};
use tokio::time::timeout;
use tokio_util::task::AbortOnDropHandle;

use super::Backend;
use crate::{
    backend::StoreReport,
    config::{Config, Database, StoreAddress},
    cursor::CursorKey,
    error::ServeError,
    owner::Owner,
};

/// How often it is looked whether the database answers.
const LOOK: Duration = Duration::from_secs(2);
/// How long it may take to.
const PATIENCE: Duration = Duration::from_secs(5);

impl Backend {
    /// The log in a PostgreSQL database, which other processes may share; its schema is made if there is none.
    ///
    /// Fails when the database cannot be used; the error says what to do and names no password.
    pub async fn postgres(url: &str, options: Options) -> Result<Self, ServeError> {
        let store = PostgresStore::connect(url, options).await?;
        let (probed, closed) = (store.clone(), store.clone());
        let (silent, looking) = watch(store.clone());
        Ok(Self {
            catalog: Arc::new(store.clone()),
            checkpoints: store.checkpoints(),
            snapshots: Some(store.snapshots()),
            read_models: Some(store.read_models()),
            cursors: CursorKey::kept(store.cursor_key()),
            probe: Arc::new(move || report(probed.status(), &silent)),
            owner: Owner::of_process(),
            is_shared: true,
            place: format!("postgres://{}", store.status().place),
            folder: None,
            close: Box::pin(async move {
                drop(looking);
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

/// Why the database does not answer, if it does not.
type Reason = Arc<Mutex<Option<String>>>;

/// Looks again and again whether the database answers, so that health tells of one that does not before an event is lost
/// on it. Looks no more once the handle is dropped.
fn watch(store: PostgresStore) -> (Reason, AbortOnDropHandle<()>) {
    let reason = Reason::default();
    let told = Arc::clone(&reason);
    let looking = tokio::spawn(async move {
        loop {
            let answered = timeout(PATIENCE, store.head()).await;
            let silent = match answered {
                Ok(Ok(_)) => None,
                Ok(Err(error)) => Some(error.to_string()),
                Err(_) => Some(format!("the database has not answered for {PATIENCE:?}")),
            };
            *told.lock().expect("no holder panics") = silent;
            tokio::time::sleep(LOOK).await;
        }
    });
    (reason, AbortOnDropHandle::new(looking))
}

fn report(status: StoreStatus, silent: &Reason) -> StoreReport {
    let silent = || silent.lock().expect("no holder panics").clone();
    StoreReport {
        kind: "postgres",
        lowered: status.lowered,
        failed: status.failure.or_else(silent),
        ..StoreReport::working(status.head, status.durability)
    }
}
