//! What stands between a processor or a group and its ports.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use gesta_conformance::around::{Around, AroundCheckpoints, AroundStore};
use gesta_core::{
    AppendBatch, AppendError, Appended, Checkpoint, CheckpointError, CheckpointKey, CheckpointStore, Claim,
    Epoch, EventStore, MemoryCheckpoints, MemoryStore, Position, Wakeups,
};
use tokio::sync::Notify;

/// A store whose wakeups never come.
pub(crate) struct Quiet {
    pub(crate) store: Arc<MemoryStore>,
    hints: tokio::sync::watch::Sender<Position>,
}

impl Quiet {
    pub(crate) fn new(store: Arc<MemoryStore>) -> Arc<Around<Self>> {
        Arc::new(Around(Self { store, hints: tokio::sync::watch::Sender::new(Position::START) }))
    }
}

impl AroundStore for Quiet {
    fn store(&self) -> &dyn EventStore {
        &*self.store
    }
    fn wakeups(&self) -> Wakeups {
        Wakeups::from_watch(self.hints.subscribe())
    }
}

/// Ports that work so many more times and then hang, as for a process that dies there. With `late` the last call
/// still takes effect.
pub(crate) struct Fuse<P> {
    inner: Arc<P>,
    left: Arc<AtomicUsize>,
    late: bool,
}

impl<P> Fuse<P> {
    pub(crate) fn new(inner: Arc<P>, left: Arc<AtomicUsize>, late: bool) -> Arc<Around<Self>> {
        Arc::new(Around(Self { inner, left, late }))
    }

    async fn pass<T>(&self, work: impl Future<Output = T> + Send) -> T {
        let left = self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        match left {
            Ok(left) if left > 1 => return work.await,
            Ok(_) if self.late => drop(work.await),
            _ => {}
        }
        std::future::pending().await
    }
}

#[async_trait]
impl AroundStore for Fuse<MemoryStore> {
    fn store(&self) -> &dyn EventStore {
        &*self.inner
    }
    async fn append(&self, batch: AppendBatch) -> Result<Appended, AppendError> {
        self.pass(self.inner.append(batch)).await
    }
}

#[async_trait]
impl AroundCheckpoints for Fuse<MemoryCheckpoints> {
    fn checkpoints(&self) -> &dyn CheckpointStore {
        &*self.inner
    }
    async fn claim(&self, key: &CheckpointKey, owner: &str, ttl: Duration) -> Result<Claim, CheckpointError> {
        self.pass(self.inner.claim(key, owner, ttl)).await
    }
    async fn release(&self, key: &CheckpointKey, epoch: Epoch) -> Result<(), CheckpointError> {
        self.pass(self.inner.release(key, epoch)).await
    }
    async fn save(
        &self,
        key: &CheckpointKey,
        epoch: Epoch,
        saved: Checkpoint,
    ) -> Result<(), CheckpointError> {
        self.pass(self.inner.save(key, epoch, saved)).await
    }
    async fn remove(&self, key: &CheckpointKey) -> Result<(), CheckpointError> {
        self.pass(self.inner.remove(key)).await
    }
}

/// A store that keeps back what is recorded of a dead letter: it is under way, and nobody can take it back.
pub(crate) struct Stalled {
    store: Arc<MemoryStore>,
    under_way: Mutex<Option<AppendBatch>>,
    caught: Notify,
}

impl Stalled {
    pub(crate) fn new(store: Arc<MemoryStore>) -> Arc<Around<Self>> {
        Arc::new(Around(Self { store, under_way: Mutex::default(), caught: Notify::new() }))
    }

    /// Something is under way.
    pub(crate) async fn caught(&self) {
        self.caught.notified().await;
    }

    /// What was under way arrives.
    pub(crate) async fn arrives(&self) {
        let batch = self.under_way.lock().expect("not poisoned").take().expect("something is under way");
        self.store.append(batch).await.expect("appends");
    }
}

#[async_trait]
impl AroundStore for Stalled {
    fn store(&self) -> &dyn EventStore {
        &*self.store
    }
    async fn append(&self, batch: AppendBatch) -> Result<Appended, AppendError> {
        *self.under_way.lock().expect("not poisoned") = Some(batch);
        self.caught.notify_one();
        std::future::pending().await
    }
}
