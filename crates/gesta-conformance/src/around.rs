//! Ports with something around them: a test says what goes wrong, and everything else passes.
//!
//! A double implements the trait of each port that it stands around, with the methods that differ, and is used as
//! [`Around`] it.
//!
//! ```
//! use std::sync::Arc;
//! use async_trait::async_trait;
//! use gesta_conformance::around::{Around, AroundStore};
//! use gesta_core::{AppendBatch, AppendError, Appended, EventStore, MemoryStore};
//!
//! /// A store that never says what became of an append.
//! struct Mute(MemoryStore);
//!
//! #[async_trait]
//! impl AroundStore for Mute {
//!     fn store(&self) -> &dyn EventStore {
//!         &self.0
//!     }
//!     async fn append(&self, _: AppendBatch) -> Result<Appended, AppendError> {
//!         Err(AppendError::Unknown { reason: "no answer came".into() })
//!     }
//! }
//!
//! let store: Arc<dyn EventStore> = Arc::new(Around(Mute(MemoryStore::new())));
//! ```

use std::{ops::Deref, time::Duration};

use async_trait::async_trait;
use gesta_core::{
    AppendBatch, AppendError, Appended, Capabilities, Checkpoint, CheckpointError, CheckpointKey,
    CheckpointRecord, CheckpointStore, Claim, Epoch, EventStore, EventStream, Filter, Holder, LogHead,
    ReadAll, ReadError, ReadStream, Wakeups,
    read_model::{Commit, ReadModelError, ReadModelStore, Row, Statement},
};

/// A port with this around it; what is around it can be asked, too.
#[derive(Debug, Default)]
pub struct Around<T>(pub T);

impl<T> Deref for Around<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

/// What stands around an event store. Says which store, and what differs from it.
#[async_trait]
#[expect(missing_docs, reason = "each method is that of the port")]
pub trait AroundStore: Send + Sync {
    /// The store itself.
    fn store(&self) -> &dyn EventStore;

    async fn append(&self, batch: AppendBatch) -> Result<Appended, AppendError> {
        self.store().append(batch).await
    }

    fn read_stream(&self, read: ReadStream) -> EventStream {
        self.store().read_stream(read)
    }

    fn read_all(&self, read: ReadAll) -> EventStream {
        self.store().read_all(read)
    }

    fn wakeups(&self) -> Wakeups {
        self.store().wakeups()
    }
}

#[async_trait]
impl<T: AroundStore> EventStore for Around<T> {
    async fn append(&self, batch: AppendBatch) -> Result<Appended, AppendError> {
        self.0.append(batch).await
    }

    fn read_stream(&self, read: ReadStream) -> EventStream {
        self.0.read_stream(read)
    }

    fn read_all(&self, read: ReadAll) -> EventStream {
        self.0.read_all(read)
    }

    async fn head(&self) -> Result<LogHead, ReadError> {
        self.0.store().head().await
    }

    fn wakeups(&self) -> Wakeups {
        self.0.wakeups()
    }

    fn capabilities(&self) -> Capabilities {
        self.0.store().capabilities()
    }

    fn understood(&self, filter: Filter) -> Filter {
        self.0.store().understood(filter)
    }
}

/// What stands around a checkpoint store. Says which store, and what differs from it.
#[async_trait]
#[expect(missing_docs, reason = "each method is that of the port")]
pub trait AroundCheckpoints: Send + Sync {
    /// The store itself.
    fn checkpoints(&self) -> &dyn CheckpointStore;

    async fn claim(&self, key: &CheckpointKey, owner: &str, ttl: Duration) -> Result<Claim, CheckpointError> {
        self.checkpoints().claim(key, owner, ttl).await
    }

    async fn release(&self, key: &CheckpointKey, epoch: Epoch) -> Result<(), CheckpointError> {
        self.checkpoints().release(key, epoch).await
    }

    async fn save(
        &self,
        key: &CheckpointKey,
        epoch: Epoch,
        saved: Checkpoint,
    ) -> Result<(), CheckpointError> {
        self.checkpoints().save(key, epoch, saved).await
    }

    async fn remove(&self, key: &CheckpointKey) -> Result<(), CheckpointError> {
        self.checkpoints().remove(key).await
    }
}

#[async_trait]
impl<T: AroundCheckpoints> CheckpointStore for Around<T> {
    async fn claim(&self, key: &CheckpointKey, owner: &str, ttl: Duration) -> Result<Claim, CheckpointError> {
        self.0.claim(key, owner, ttl).await
    }

    async fn holder(&self, key: &CheckpointKey) -> Result<Option<Holder>, CheckpointError> {
        self.0.checkpoints().holder(key).await
    }

    async fn release(&self, key: &CheckpointKey, epoch: Epoch) -> Result<(), CheckpointError> {
        self.0.release(key, epoch).await
    }

    async fn load(&self, key: &CheckpointKey) -> Result<Checkpoint, CheckpointError> {
        self.0.checkpoints().load(key).await
    }

    async fn save(
        &self,
        key: &CheckpointKey,
        epoch: Epoch,
        saved: Checkpoint,
    ) -> Result<(), CheckpointError> {
        self.0.save(key, epoch, saved).await
    }

    async fn remove(&self, key: &CheckpointKey) -> Result<(), CheckpointError> {
        self.0.remove(key).await
    }

    async fn list(
        &self,
        after: Option<&CheckpointKey>,
        limit: usize,
    ) -> Result<Vec<CheckpointRecord>, CheckpointError> {
        self.0.checkpoints().list(after, limit).await
    }

    async fn adopt(&self, record: CheckpointRecord) -> Result<(), CheckpointError> {
        self.0.checkpoints().adopt(record).await
    }
}

/// What stands around a store of read models: says what differs when a commit is made.
#[async_trait]
pub trait AroundReadModels: AroundCheckpoints {
    /// The store itself.
    fn read_models(&self) -> &dyn ReadModelStore;

    /// Makes a commit.
    async fn commit(&self, commit: Commit) -> Result<(), ReadModelError>;
}

#[async_trait]
impl<T: AroundReadModels> ReadModelStore for Around<T> {
    async fn commit(&self, commit: Commit) -> Result<(), ReadModelError> {
        self.0.commit(commit).await
    }

    async fn query_together(&self, statements: Vec<Statement>) -> Result<Vec<Vec<Row>>, ReadModelError> {
        self.0.read_models().query_together(statements).await
    }
}
