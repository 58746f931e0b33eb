//! What a server stands on: a store with all that belongs to it.

use std::{net::SocketAddr, path::PathBuf, sync::Arc};

use futures_util::future::BoxFuture;
use gesta_core::{
    AliasedStore, Aliases, CheckpointStore, EventStore, MemoryCheckpoints, MemorySnapshots, MemoryStore,
    SnapshotStore, StreamCatalog, read_model::ReadModelStore,
};

use crate::{config::Config, cursor::CursorKey, error::ServeError, owner::Owner};

mod file;
mod postgres;
mod report;

pub(crate) use report::{Probe, StoreReport};

/// A store with all that belongs to it: what a server and the program around it use, whichever store it is.
pub struct Backend {
    /// The log.
    pub(crate) store: Arc<dyn EventStore>,
    /// Which streams there are.
    pub(crate) catalog: Arc<dyn StreamCatalog>,
    /// Where processors stopped.
    pub(crate) checkpoints: Arc<dyn CheckpointStore>,
    /// Folded states.
    snapshots: Option<Arc<dyn SnapshotStore>>,
    /// Rows that commit together with checkpoints.
    read_models: Option<Arc<dyn ReadModelStore>>,
    /// What cursors are sealed with.
    pub(crate) cursors: CursorKey,
    /// How the store is.
    pub(crate) probe: Probe,
    /// What this process claims groups and processors as.
    owner: Owner,
    /// Whether other processes may use the same store.
    pub(crate) is_shared: bool,
    /// Where it is, for people; never with a secret.
    pub(crate) place: String,
    /// Where its files are; `None` where there are none.
    pub(crate) folder: Option<PathBuf>,
    /// Closes the store, once nobody uses it any more.
    pub(crate) close: BoxFuture<'static, Result<(), String>>,
}

impl Backend {
    /// Everything in memory, gone with the process: for tests and for trying things out. It has no read models.
    pub fn memory() -> Self {
        let alone = Self::of(Arc::new(MemoryStore::new()), Arc::new(MemoryCheckpoints::default()));
        Self { is_shared: false, ..alone }
    }

    /// A store that the program has made already, with its checkpoints, which other servers may share. Cursors end with the
    /// process; closing the store is the program's matter. Snapshots are kept in memory, and there are no read models unless
    /// [`Backend::with_read_models`] adds them.
    pub fn of<S: EventStore + StreamCatalog + 'static>(
        store: Arc<S>,
        checkpoints: Arc<dyn CheckpointStore>,
    ) -> Self {
        let wakeups = store.wakeups();
        let durability = store.capabilities().durability;
        Self {
            catalog: Arc::clone(&store) as Arc<dyn StreamCatalog>,
            checkpoints,
            snapshots: Some(Arc::new(MemorySnapshots::default())),
            read_models: None,
            cursors: CursorKey::random(),
            probe: Arc::new(move || StoreReport::working(wakeups.latest(), durability)),
            owner: Owner::of_process(),
            is_shared: true,
            place: "memory".into(),
            folder: None,
            close: Box::pin(async { Ok(()) }),
            store,
        }
    }

    /// The log, for what a program does beside the server.
    pub fn store(&self) -> Arc<dyn EventStore> {
        Arc::clone(&self.store)
    }

    /// Where processors and groups stopped, and who runs them.
    pub fn checkpoints(&self) -> Arc<dyn CheckpointStore> {
        Arc::clone(&self.checkpoints)
    }

    /// Whether other processes may use the same store.
    pub fn is_shared(&self) -> bool {
        self.is_shared
    }

    /// The name of this process among those that share the store, for a program's own
    /// [`Processors`](gesta::Processors): requests for what runs in one process find it by this name from any other. It
    /// says where the process listens once that is settled, by [`open`](crate::open) or [`Backend::listening`].
    pub fn owner(&self) -> String {
        self.owner.to_string()
    }

    /// The same for a server that will listen at this address. [`open`](crate::open) says it by itself.
    pub fn listening(mut self, config: &Config, bound: SocketAddr) -> Self {
        if self.is_shared && !self.owner.is_listening() {
            self.owner = self.owner.listening(config, bound);
        }
        self
    }

    pub(crate) fn named(&self) -> &Owner {
        &self.owner
    }

    /// Folded states; `None` where they are not kept. The server closes the store they are in when it stops.
    pub fn snapshots(&self) -> Option<Arc<dyn SnapshotStore>> {
        self.snapshots.clone()
    }

    /// Rows that commit together with checkpoints; `None` on a backend without a database. The server closes it when it
    /// stops.
    pub fn read_models(&self) -> Option<Arc<dyn ReadModelStore>> {
        self.read_models.clone()
    }

    /// The same with read models that lie elsewhere than the log.
    pub fn with_read_models(mut self, read_models: Arc<dyn ReadModelStore>) -> Self {
        self.read_models = Some(read_models);
        self
    }

    /// The same, where whoever names one spelling of a type gets all of them. A server does this with the types of its
    /// configuration; a program whose own processors read [`Backend::store`] does it before.
    pub fn knowing(self, aliases: &Aliases) -> Self {
        if aliases.is_empty() {
            return self;
        }
        self.with_store(|store| Arc::new(AliasedStore::new(store, aliases.clone())))
    }

    /// The same with another log in front, such as one that fails on purpose.
    pub fn with_store(mut self, wrap: impl FnOnce(Arc<dyn EventStore>) -> Arc<dyn EventStore>) -> Self {
        self.store = wrap(self.store);
        self
    }

    /// Closes the store: for a program that makes no server of it.
    ///
    /// Fails when it does not close cleanly; what it acknowledged is safe all the same.
    pub async fn close(self) -> Result<(), ServeError> {
        self.close.await.map_err(|reason| ServeError::Close { reason })
    }
}
