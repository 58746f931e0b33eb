//! The store: opens the folder, owns the threads, answers the port.

use std::{
    path::Path,
    sync::{Arc, Mutex},
    thread::{self, JoinHandle},
};

use async_trait::async_trait;
use gesta_core::{
    AppendBatch, AppendError, Appended, Capabilities, CheckpointStore, CopyError, CopyTarget,
    DurabilityClass, EventStore, EventStream, ListStreams, LogHead, Position, ReadAll, ReadError, ReadStream,
    RecordedEvent, SnapshotStore, StreamCatalog, StreamInfo, Wakeups, read_model::ReadModelStore,
    validate_recorded,
};

use crate::{
    OpenError, Options,
    append::Queue,
    checkpoints::Checkpoints,
    log::{Log, folder::Folder, meta::Meta, prepare::Preparer},
    read,
    snapshots::Snapshots,
};

mod open;

/// One log in a folder, with its checkpoints and snapshots. Clones are the same store.
///
/// Appends and reads may be asked for from any task of a tokio runtime. The store ends with [`FileStore::close`] or
/// with the last clone, which then blocks until everything queued is written.
#[derive(Clone)]
pub struct FileStore {
    log: Arc<Log>,
    queue: Arc<Queue>,
    checkpoints: Arc<Checkpoints>,
    snapshots: Arc<Snapshots>,
    threads: Arc<Threads>,
}

/// How a store is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct StoreStatus {
    /// The highest readable position.
    pub head: Position,
    /// Everything up to here is in the index.
    pub index_watermark: Position,
    /// How many files the log has.
    pub segments: usize,
    /// How many bytes they hold.
    pub bytes: u64,
    /// Why the log takes no appends any more, once a write or a sync has failed: start again.
    pub failure: Option<String>,
    /// What an acknowledgement survives.
    pub durability: DurabilityClass,
}

impl FileStore {
    /// Opens the log in `dir`, made if absent, and blocks until it can be read and appended to: a moment, or, if the
    /// index is lost, as long as reading the whole log takes.
    ///
    /// One store has the folder at a time. What a crash has torn and nobody was told about is cut off; any other
    /// damage is refused.
    pub fn open(dir: impl AsRef<Path>, options: Options) -> Result<Self, OpenError> {
        open::open(dir.as_ref(), &options)
    }

    /// How far processors came, and who owns them.
    pub fn checkpoints(&self) -> Arc<dyn CheckpointStore> {
        self.checkpoints.clone()
    }

    /// Rows that commit together with checkpoints: those of [`FileStore::checkpoints`].
    pub fn read_models(&self) -> Arc<dyn ReadModelStore> {
        self.checkpoints.clone()
    }

    /// Folded states.
    pub fn snapshots(&self) -> Arc<dyn SnapshotStore> {
        self.snapshots.clone()
    }

    /// How the store is doing.
    pub fn status(&self) -> StoreStatus {
        StoreStatus {
            head: self.log.head(),
            index_watermark: self.log.index.watermark(),
            segments: self.log.chain.list().len(),
            bytes: self.log.chain.bytes(),
            failure: self.log.failure().map(str::to_owned),
            durability: self.log.class,
        }
    }

    /// Lets no more appends in, writes what is queued, marks the log as stopped cleanly and lets go of the folder.
    /// Reads that are under way go on, unless they need the index. Closing again does nothing.
    pub async fn close(&self) {
        self.queue.close();
        let threads = self.threads.clone();
        // Only a panic of the work itself could come back, and it has told about that.
        let _ = tokio::task::spawn_blocking(move || threads.stop()).await;
    }
}

impl std::fmt::Debug for FileStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FileStore").field("status", &self.status()).finish_non_exhaustive()
    }
}

/// The threads of a store, the lock on its folder, and the order in which they end.
struct Threads {
    log: Arc<Log>,
    queue: Arc<Queue>,
    preparer: Arc<Preparer>,
    running: Mutex<Option<Running>>,
}

struct Running {
    folder: Folder,
    writer: JoinHandle<()>,
    helper: JoinHandle<()>,
    index: JoinHandle<()>,
}

impl Threads {
    fn stop(&self) {
        let Some(running) = self.running.lock().expect("no holder of the threads' lock panics").take() else {
            return;
        };
        self.queue.close();
        // A panic of it has made the log fail.
        let _ = running.writer.join();
        self.preparer.stop();
        self.log.tail.stop();
        // A panic there has been told; the log is whole without them.
        let _ = (running.helper.join(), running.index.join());
        // Clones of the store may live on, and would keep the next one from the index.
        self.log.index.close();
        if self.log.failure().is_none() {
            let incarnation = self.log.chain.incarnation;
            let meta = Meta { incarnation, head: self.log.head(), clean: true };
            if let Err(error) = meta.write(running.folder.path()) {
                tracing::warn!(%error, "the log could not be marked as stopped cleanly");
            }
        }
        if let Err(error) = running.folder.unlock() {
            tracing::warn!(%error, "the data folder could not be unlocked");
        }
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        self.stop();
    }
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, OpenError> {
    thread::Builder::new()
        .name(name.into())
        .spawn(work)
        .map_err(|error| OpenError::Part { part: "a thread", reason: error.to_string() })
}

#[async_trait]
impl EventStore for FileStore {
    async fn append(&self, batch: AppendBatch) -> Result<Appended, AppendError> {
        self.queue.append(batch).await
    }

    fn read_stream(&self, read: ReadStream) -> EventStream {
        read::one(self.log.clone(), read)
    }

    fn read_all(&self, read: ReadAll) -> EventStream {
        read::all(self.log.clone(), read)
    }

    async fn head(&self) -> Result<LogHead, ReadError> {
        Ok(LogHead { incarnation: self.log.chain.incarnation, position: self.log.head() })
    }

    fn wakeups(&self) -> Wakeups {
        Wakeups::from_watch(self.log.head.subscribe())
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities { durability: self.log.class, multi_stream: true, dense_positions: true, relaxed: true }
    }
}

#[async_trait]
impl CopyTarget for FileStore {
    async fn append_recorded(&self, events: Vec<RecordedEvent>) -> Result<Position, CopyError> {
        let head = self.log.head();
        validate_recorded(&events, head)?;
        if events.is_empty() { Ok(head) } else { self.queue.copy(events).await }
    }
}

#[async_trait]
impl StreamCatalog for FileStore {
    async fn list_streams(&self, list: ListStreams) -> Result<Vec<StreamInfo>, ReadError> {
        let log = self.log.clone();
        let work = move || {
            // The tail first: a stream may move on to the index meanwhile, never back. The newer of both counts.
            let mut streams: std::collections::BTreeMap<_, _> = log
                .tail
                .list_streams(&list, log.head())
                .into_iter()
                .map(|info| (info.stream.clone(), info))
                .collect();
            for info in log.index.list_streams(&list)? {
                let known = streams.entry(info.stream.clone()).or_insert_with(|| info.clone());
                if known.version < info.version {
                    *known = info;
                }
            }
            Ok(streams.into_values().take(list.limit).collect())
        };
        let listed = tokio::task::spawn_blocking(work).await;
        listed.unwrap_or_else(|error| Err(ReadError::Unavailable { reason: error.to_string() }))
    }
}
