//! The laws of the event store, on segments so small that nearly every append begins a new one, and as it comes.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use gesta_conformance::{Backend, conformance, copies::CopyBackend};
use gesta_core::{CopyTarget, EventStore, StreamCatalog, Tenant};
use gesta_file::{FileStore, Options};

use crate::support;

/// A store in a folder of its own.
struct InFolder {
    // Dropped before its folder goes.
    store: Mutex<FileStore>,
    options: Options,
    folder: tempfile::TempDir,
}

impl InFolder {
    fn new(options: Options) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let store = FileStore::open(folder.path(), options.clone()).expect("an empty folder opens");
        Self { store: Mutex::new(store), options, folder }
    }

    fn current(&self) -> FileStore {
        self.store.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[async_trait]
impl Backend for InFolder {
    async fn store(&self, _tenant: &Tenant) -> Arc<dyn EventStore> {
        Arc::new(self.current())
    }

    async fn catalog(&self, _tenant: &Tenant) -> Arc<dyn StreamCatalog> {
        Arc::new(self.current())
    }

    async fn reopen(&self) -> bool {
        self.current().close().await;
        let again = FileStore::open(self.folder.path(), self.options.clone()).expect("it opens again");
        *self.store.lock().unwrap_or_else(PoisonError::into_inner) = again;
        true
    }
}

mod on_tiny_segments {
    use super::*;

    async fn fresh() -> InFolder {
        InFolder::new(support::tiny())
    }

    conformance!(fresh);

    mod copies {
        use super::*;

        gesta_conformance::copy_laws!(fresh);
    }
}

mod as_it_comes {
    use super::*;

    async fn fresh() -> InFolder {
        InFolder::new(Options::default())
    }

    conformance!(fresh);

    mod copies {
        use super::*;

        gesta_conformance::copy_laws!(fresh);
    }
}

impl CopyBackend for InFolder {
    fn target(&self) -> Arc<dyn CopyTarget> {
        Arc::new(self.current())
    }
}
