//! A log as an endless sequence of batches: catching up and live in one code path.

use std::{sync::Arc, time::Duration};

use futures_util::TryStreamExt;
use gesta_core::{EventStore, Filter, Position, ReadAll, ReadError, RecordedEvent, Wakeups};

use crate::planted;

/// How many positions one read covers at most, so that a filter nothing passes still makes progress.
const WINDOW: u64 = 8_192;

/// A batch ends once its events hold so many bytes of data and metadata.
pub(crate) const BATCH_BYTES: usize = 8 * 1024 * 1024;

/// How long a wakeup may be missed: the head is asked for at least this often.
pub(crate) const POLL: Duration = Duration::from_secs(1);

/// The events of a log that pass a filter, from a position on and for ever.
///
/// It keeps G7: ordered by position, nothing of the filter left out between two batches, each event once, resumable
/// from any position. What is there already and what comes later take the same way: reads are the truth, a wakeup
/// only shortens the wait, and the head is asked for once a second whether one comes or not. It holds no task and no
/// buffer, so dropping it ends it, and memory is bounded by one batch.
///
/// ```
/// use std::sync::Arc;
/// use gesta::Subscription;
/// use gesta_core::{AppendBatch, EventStore, ExpectedVersion, Filter, MemoryStore, NewEvent, Tenant};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let store = Arc::new(MemoryStore::new());
/// let created = NewEvent::new("sample.created", "{}");
/// store.append(AppendBatch::to("sample-1".parse()?, ExpectedVersion::Any, [created])).await?;
///
/// let mut subscription = Subscription::new(store, Filter::of(Tenant::default()));
/// let batch = subscription.next_batch(100).await?;
/// assert_eq!((batch.events.len(), batch.position.get()), (1, 1));
/// # Ok(()) }
/// ```
#[doc(alias = "feed")]
#[doc(alias = "watcher")]
pub struct Subscription {
    store: Arc<dyn EventStore>,
    filter: Filter,
    position: Position,
    up_to: Position,
    wakeups: Wakeups,
}

/// Some events, and how far the log is covered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// The events that pass, in order. Empty when nothing passed up to `position`.
    pub events: Vec<RecordedEvent>,
    /// Everything up to here was delivered, now or earlier, or does not pass. Resume with it.
    pub position: Position,
}

impl Batch {
    /// Bytes of data and metadata.
    pub(crate) fn bytes(&self) -> usize {
        self.events.iter().map(|event| event.data.len() + event.metadata.len()).sum()
    }
}

impl Subscription {
    /// The events that pass, from the first on.
    pub fn new(store: Arc<dyn EventStore>, filter: Filter) -> Self {
        let wakeups = store.wakeups();
        Self { store, filter, position: Position::START, up_to: Position::new(u64::MAX), wakeups }
    }

    /// Only events behind this position: [`Batch::position`] of the last batch that was dealt with.
    pub fn after(mut self, position: Position) -> Self {
        self.position = position;
        self
    }

    /// Only events up to this position: nothing is ever ready behind it.
    pub fn up_to(mut self, position: Position) -> Self {
        self.up_to = position;
        self
    }

    /// Everything up to here was delivered or does not pass.
    pub fn position(&self) -> Position {
        self.position
    }

    /// Goes back, or forwards, to behind this position.
    pub(crate) fn seek(&mut self, position: Position) {
        self.position = position;
    }

    /// The next batch of at most `max` events (at least one is always asked for); waits until there are events, or
    /// progress without any.
    ///
    /// Cancel-safe: when the future is dropped nothing is lost, the next call delivers it. After an error the
    /// subscription stands where it stood; call again, after a while.
    pub async fn next_batch(&mut self, max: usize) -> Result<Batch, ReadError> {
        loop {
            if let Some(batch) = self.ready_batch(max).await? {
                return Ok(batch);
            }
            self.changed().await;
        }
    }

    /// The next batch if the log has gone on, without waiting for it to. Cancel-safe, too.
    pub async fn ready_batch(&mut self, max: usize) -> Result<Option<Batch>, ReadError> {
        let head = self.store.head().await?.position.min(self.up_to);
        if head <= self.position {
            return Ok(None);
        }
        let up_to = head.min(Position::new(self.position.get().saturating_add(WINDOW)));
        let batch = self.read(up_to, max.max(1)).await?;
        self.position = batch.position;
        Ok(Some(batch))
    }

    /// Waits for a hint that the log has gone on, but never longer than the poll.
    pub(crate) async fn changed(&mut self) {
        if planted::armed("wakeups_dropped") {
            return tokio::time::sleep(POLL).await;
        }
        if planted::armed("wakeup_needed") {
            self.wakeups.next().await;
            self.wakeups.next().await;
            return;
        }
        // Both outcomes mean the same: look again.
        let _ = tokio::time::timeout(POLL, self.wakeups.next()).await;
    }

    async fn read(&self, up_to: Position, max: usize) -> Result<Batch, ReadError> {
        let read = ReadAll::of(self.filter.clone()).after(self.position).up_to(up_to).limit(max);
        let mut found = self.store.read_all(read);
        let (mut events, mut bytes) = (Vec::new(), 0);
        while let Some(event) = found.try_next().await? {
            bytes += event.data.len() + event.metadata.len();
            let position = event.position;
            if !(planted::armed("skip_one_event") && position.get() % 16 == 0) {
                events.push(event);
            }
            if events.len() >= max || bytes >= BATCH_BYTES {
                return Ok(Batch { events, position });
            }
        }
        Ok(Batch { events, position: up_to })
    }
}

#[cfg(test)]
mod tests {
    use gesta_core::{AppendBatch, ExpectedVersion, MemoryStore, NewEvent, Tenant};

    use super::*;

    async fn append(store: &MemoryStore, stream: &str, count: usize) {
        for _ in 0..count {
            let stream = stream.parse().expect("legal");
            let batch = AppendBatch::to(stream, ExpectedVersion::Any, [NewEvent::new("x", "1")]);
            store.append(batch).await.expect("appends");
        }
    }

    fn positions(batch: &Batch) -> Vec<u64> {
        batch.events.iter().map(|event| event.position.get()).collect()
    }

    #[tokio::test]
    async fn catches_up_and_goes_on_live() {
        let store = Arc::new(MemoryStore::new());
        append(&store, "a-1", 3).await;
        let mut subscription = Subscription::new(store.clone(), Filter::of(Tenant::default()));
        assert_eq!(positions(&subscription.next_batch(2).await.expect("reads")), [1, 2]);
        assert_eq!(positions(&subscription.next_batch(2).await.expect("reads")), [3]);
        let live = tokio::spawn(async move { subscription.next_batch(10).await });
        append(&store, "a-1", 1).await;
        assert_eq!(positions(&live.await.expect("runs").expect("reads")), [4]);
    }

    #[tokio::test]
    async fn reports_progress_when_nothing_passes() {
        let store = Arc::new(MemoryStore::new());
        append(&store, "a-1", 5).await;
        let filter = Filter::of(Tenant::default()).categories(["b"]);
        let batch = Subscription::new(store, filter).next_batch(10).await.expect("reads");
        assert_eq!((batch.events.len(), batch.position), (0, Position::new(5)));
    }

    #[tokio::test]
    async fn resumes_behind_any_position() {
        let store = Arc::new(MemoryStore::new());
        append(&store, "a-1", 40).await;
        for from in 0..40 {
            let filter = Filter::of(Tenant::default());
            let mut subscription = Subscription::new(store.clone(), filter).after(Position::new(from));
            let mut seen = Vec::new();
            while subscription.position() < Position::new(40) {
                seen.extend(positions(&subscription.next_batch(7).await.expect("reads")));
            }
            assert_eq!(seen, (from + 1..=40).collect::<Vec<_>>());
        }
    }
}
