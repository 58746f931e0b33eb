//! What a server stands on: a store with all that belongs to it.

use std::{
    fs, io,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use futures_util::future::BoxFuture;
use gesta_core::{
    AliasedStore, Aliases, CheckpointStore, EventStore, MemoryCheckpoints, MemoryStore, StreamCatalog,
};
use gesta_file::{FileStore, OpenError, Options, StoreStatus};

use crate::{
    cursor::CursorKey,
    error::ServeError,
    health::{Probe, StoreReport},
};

/// A store with all that belongs to it.
pub struct Backend {
    /// The log.
    pub(crate) store: Arc<dyn EventStore>,
    /// Which streams there are.
    pub(crate) catalog: Arc<dyn StreamCatalog>,
    /// Where processors stopped.
    pub(crate) checkpoints: Arc<dyn CheckpointStore>,
    /// What cursors are sealed with.
    pub(crate) cursors: CursorKey,
    /// How the store is.
    pub(crate) probe: Probe,
    /// Where its files are; `None` in memory.
    pub(crate) folder: Option<PathBuf>,
    /// The file store, if it is one.
    file: Option<FileStore>,
    /// Closes the store, once nobody uses it any more.
    pub(crate) close: BoxFuture<'static, Result<(), String>>,
}

impl Backend {
    /// Everything in memory, gone with the process: for tests and for trying things out.
    pub fn memory() -> Self {
        Self::of(Arc::new(MemoryStore::new()), Arc::new(MemoryCheckpoints::default()))
    }

    /// A store that the program has made already, with its checkpoints. Cursors end with the process; closing the
    /// store is the program's matter.
    pub fn of<S: EventStore + StreamCatalog + 'static>(
        store: Arc<S>,
        checkpoints: Arc<dyn CheckpointStore>,
    ) -> Self {
        let wakeups = store.wakeups();
        let durability = store.capabilities().durability;
        Self {
            catalog: Arc::clone(&store) as Arc<dyn StreamCatalog>,
            checkpoints,
            cursors: CursorKey::random(),
            probe: Arc::new(move || StoreReport::working(wakeups.latest(), durability)),
            folder: None,
            file: None,
            close: Box::pin(async { Ok(()) }),
            store,
        }
    }

    /// The file store in this folder, made if there is none. The folder is locked until the server stops.
    ///
    /// Fails when the folder cannot be used: in use, not writable, of a newer release, damaged.
    pub async fn file(folder: impl Into<PathBuf>, options: Options) -> Result<Self, ServeError> {
        let folder = folder.into();
        let refused = |reason| ServeError::Folder { folder: folder.clone(), reason };
        let place = folder.clone();
        let open = move || {
            make_private(&place);
            FileStore::open(place, options)
        };
        let opened = tokio::task::spawn_blocking(open).await;
        let store = opened
            .map_err(|error| refused(error.to_string()))?
            .map_err(|error| refused(with_remedy(&error)))?;
        let cursors = CursorKey::open_or_make(&folder).map_err(|error| refused(error.to_string()))?;
        let (probed, closed) = (store.clone(), store.clone());
        Ok(Self {
            catalog: Arc::new(store.clone()),
            checkpoints: store.checkpoints(),
            cursors,
            probe: Arc::new(move || report(probed.status())),
            folder: Some(folder),
            file: Some(store.clone()),
            close: Box::pin(async move {
                closed.close().await;
                closed.status().failure.map_or(Ok(()), Err)
            }),
            store: Arc::new(store),
        })
    }

    /// The log, for what a program does beside the server.
    pub fn store(&self) -> Arc<dyn EventStore> {
        Arc::clone(&self.store)
    }

    /// The file store with all it offers (checkpoints, snapshots, read models); `None` on another backend. The server
    /// closes it when it stops.
    pub fn file_store(&self) -> Option<FileStore> {
        self.file.clone()
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
}

/// Events are nobody else's to read. A folder that is there keeps its mode; one that cannot be made is refused by
/// the store, which knows better why.
fn make_private(folder: &Path) {
    let _ = fs::DirBuilder::new().recursive(true).mode(0o700).create(folder);
}

fn report(status: StoreStatus) -> StoreReport {
    StoreReport {
        indexed: status.index_watermark,
        failed: status.failure,
        segments: Some(status.segments as u64),
        bytes: Some(status.bytes),
        ..StoreReport::working(status.head, status.durability)
    }
}

/// The store says what is wrong; what can be done about a folder is known here.
fn with_remedy(error: &OpenError) -> String {
    let kind = match error {
        OpenError::Io { source, .. } => source.kind(),
        _ => return error.to_string(),
    };
    let remedy = match kind {
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            "; let this user write there, or choose another folder (GESTA_DATA, --data)"
        }
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "; free some space",
        io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists => {
            "; that is no folder: choose another one (GESTA_DATA, --data)"
        }
        _ => "",
    };
    format!("{error}{remedy}")
}
