//! The port of an event store.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::{
    AppendBatch, AppendError, Appended, EventStream, Filter, LogHead, Position, ReadAll, ReadError,
    ReadStream,
};

/// One log: appends events, reads them back, says how far it can be read.
///
/// # Laws
///
/// Every backend keeps these or declares in [`Capabilities`] that it does not; `gesta-conformance` has a test of
/// each name.
///
/// 1. An append is atomic: all of a batch is readable, contiguous, or nothing is.
/// 2. The same ids append once: the same content again returns the first result, other content is refused.
/// 3. Of concurrent appends with one expected version exactly one wins.
/// 4. Versions have no gaps.
/// 5. Positions are dense and in commit order.
/// 6. A readable position never gains an earlier neighbour, and never changes.
/// 7. Nothing is readable before it is durable.
/// 8. A dropped wakeup loses nothing: reads are the truth, wakeups are hints.
/// 9. A timeout is unknown, and a retry with the same ids settles it.
/// 10. A tenant sees only its own.
#[async_trait]
pub trait EventStore: Send + Sync {
    /// Appends a batch and answers once it is as durable as asked for. Dropping the future does not undo it.
    async fn append(&self, batch: AppendBatch) -> Result<Appended, AppendError>;

    /// Reads one stream. A stream nobody wrote to is empty, not an error.
    fn read_stream(&self, read: ReadStream) -> EventStream;

    /// Reads the log through a filter.
    fn read_all(&self, read: ReadAll) -> EventStream;

    /// How far the log can be read now, and which life of it.
    async fn head(&self) -> Result<LogHead, ReadError>;

    /// A hint whenever the head has moved. May miss moves; never needed for correctness.
    fn wakeups(&self) -> Wakeups;

    /// What this store keeps.
    fn capabilities(&self) -> Capabilities;

    /// The filter as [`EventStore::read_all`] takes it, for whoever filters events that were read another way. It
    /// differs from `filter` where the store knows more spellings of a type, see [`AliasedStore`](crate::AliasedStore).
    fn understood(&self, filter: Filter) -> Filter {
        filter
    }
}

/// What an acknowledgement survives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum DurabilityClass {
    /// Nothing: it is gone with the process.
    Volatile,
    /// A kill of the process, not a power cut.
    Buffered,
    /// A kill, an OS crash and a power cut, on a device that honours flush.
    Synced,
    /// The loss of a minority of replicas.
    Replicated,
}

/// What a store keeps of the laws, and what it offers beyond them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Capabilities {
    /// What an acknowledgement survives.
    pub durability: DurabilityClass,
    /// Whether one batch may name several streams.
    pub multi_stream: bool,
    /// Whether positions are dense over the whole log.
    pub dense_positions: bool,
    /// Whether an append may be acknowledged before it is durable.
    pub relaxed: bool,
}

/// Hints that the head of a log has moved.
#[derive(Debug, Clone)]
pub struct Wakeups(watch::Receiver<Position>);

impl Wakeups {
    /// Hints from whoever holds the sending half, which sends the head each time it has moved.
    pub fn from_watch(receiver: watch::Receiver<Position>) -> Self {
        Self(receiver)
    }

    /// The latest hint.
    pub fn latest(&self) -> Position {
        *self.0.borrow()
    }

    /// Waits for the next hint that was not seen yet; for ever when there will be none, so give it a time limit.
    pub async fn next(&mut self) -> Position {
        if self.0.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
        *self.0.borrow_and_update()
    }
}
