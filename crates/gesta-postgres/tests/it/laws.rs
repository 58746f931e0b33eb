//! The laws of the event store.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use gesta_conformance::{Backend, conformance, copies::CopyBackend};
use gesta_core::{CopyTarget, EventStore, StreamCatalog, Tenant};
use gesta_postgres::PostgresStore;

use crate::support::{self, Database};

/// A store in a database of its own.
struct InDatabase {
    store: Mutex<PostgresStore>,
    database: Database,
}

impl InDatabase {
    fn current(&self) -> PostgresStore {
        self.store.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[async_trait]
impl Backend for InDatabase {
    async fn store(&self, _tenant: &Tenant) -> Arc<dyn EventStore> {
        Arc::new(self.current())
    }

    async fn catalog(&self, _tenant: &Tenant) -> Arc<dyn StreamCatalog> {
        Arc::new(self.current())
    }

    async fn reopen(&self) -> bool {
        self.current().close().await;
        *self.store.lock().unwrap_or_else(PoisonError::into_inner) = self.database.store().await;
        true
    }
}

async fn fresh() -> InDatabase {
    let database = support::database().await;
    InDatabase { store: Mutex::new(database.store().await), database }
}

conformance!(fresh);

impl CopyBackend for InDatabase {
    fn target(&self) -> Arc<dyn CopyTarget> {
        Arc::new(self.current())
    }
}

mod copies {
    use super::*;

    gesta_conformance::copy_laws!(fresh);
}
