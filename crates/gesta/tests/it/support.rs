//! A log, groups on it, and a clock that paused time moves.

use std::{sync::Arc, time::Duration};

use gesta::{Delivery, DeliveryId, GroupDefinition, Groups, Pull, Start};
use gesta_core::{
    AppendBatch, CheckpointStore, Clock, EventStore, ExpectedVersion, Filter, MemoryCheckpoints, MemoryStore,
    Metadata, NewEvent, Priority, Tenant, Timestamp,
};
use tokio::time::Instant;

mod doubles;
mod sink;

pub(crate) use doubles::{Fuse, Quiet, Stalled};
pub(crate) use sink::{PATIENCE, Sink, letters, processors, settle, wait};

/// Tokio's clock, which stands still and jumps when time is paused.
pub(crate) struct TokioClock(Instant);

impl TokioClock {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self(Instant::now()))
    }
}

impl Clock for TokioClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(1_700_000_000_000_000).plus(self.0.elapsed())
    }
}

/// A log and the groups on it.
pub(crate) struct World {
    pub(crate) store: Arc<MemoryStore>,
    pub(crate) checkpoints: Arc<MemoryCheckpoints>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) groups: Arc<Groups>,
}

pub(crate) fn tenant() -> Tenant {
    Tenant::default()
}

/// From the beginning, with everything else as by default.
pub(crate) fn definition() -> GroupDefinition {
    GroupDefinition { start: Start::Beginning, ..GroupDefinition::of(Filter::default()) }
}

impl World {
    /// An empty log on tokio's clock.
    pub(crate) async fn new() -> Self {
        Self::with_clock(TokioClock::new()).await
    }

    pub(crate) async fn with_clock(clock: Arc<dyn Clock>) -> Self {
        let store = Arc::new(MemoryStore::with_clock(clock.clone()));
        let checkpoints = Arc::new(MemoryCheckpoints::with_clock(clock.clone()));
        let groups = open(store.clone(), checkpoints.clone(), clock.clone(), "one").await;
        Self { store, checkpoints, clock, groups }
    }

    /// A second process on the same log.
    pub(crate) async fn another(&self, owner: &str) -> Arc<Groups> {
        open(self.store.clone(), self.checkpoints.clone(), self.clock.clone(), owner).await
    }

    /// The process dies and comes back.
    pub(crate) async fn reopen(&mut self) {
        self.groups = self.another("one").await;
    }

    pub(crate) async fn create(&self, definition: GroupDefinition) {
        self.groups.create(&tenant(), "g", definition).await.expect("creates");
    }

    /// Appends one event of each stream named.
    pub(crate) async fn append(&self, streams: &[&str]) {
        append(&*self.store, streams).await;
    }

    pub(crate) async fn append_urgent(&self, stream: &str, priority: u8) {
        let metadata = Metadata { priority: Priority::new(priority), ..Metadata::default() };
        let event = NewEvent::new("x", "1").with_metadata(metadata);
        let batch = AppendBatch::to(stream.parse().expect("legal"), ExpectedVersion::Any, [event]);
        self.store.append(batch).await.expect("appends");
    }

    /// What there is now, without waiting.
    pub(crate) async fn pull(&self, max: usize) -> Vec<Delivery> {
        self.pull_for(max, Duration::ZERO).await
    }

    pub(crate) async fn pull_for(&self, max: usize, wait: Duration) -> Vec<Delivery> {
        pull(&self.groups, "consumer", max, wait).await
    }

    pub(crate) async fn ack(&self, deliveries: &[Delivery]) -> usize {
        self.groups.ack(&tenant(), "g", &ids(deliveries)).await.expect("acknowledges")
    }
}

pub(crate) async fn open(
    store: Arc<dyn EventStore>,
    checkpoints: Arc<dyn CheckpointStore>,
    clock: Arc<dyn Clock>,
    owner: &str,
) -> Arc<Groups> {
    Groups::open(store, checkpoints, clock, owner.into()).await.expect("opens")
}

pub(crate) async fn append(store: &dyn EventStore, streams: &[&str]) {
    for stream in streams {
        let stream = stream.parse().expect("legal");
        let batch = AppendBatch::to(stream, ExpectedVersion::Any, [NewEvent::new("x", "1")]);
        store.append(batch).await.expect("appends");
    }
}

pub(crate) async fn pull(groups: &Groups, consumer: &str, max: usize, wait: Duration) -> Vec<Delivery> {
    let pull = Pull { consumer: consumer.into(), max, wait };
    groups.pull(&tenant(), "g", pull).await.expect("pulls")
}

pub(crate) fn ids(deliveries: &[Delivery]) -> Vec<DeliveryId> {
    deliveries.iter().map(|delivery| delivery.id.clone()).collect()
}

/// Each delivery as `stream@version`.
pub(crate) fn places(deliveries: &[Delivery]) -> Vec<String> {
    deliveries.iter().map(|d| format!("{}@{}", d.event.stream, d.event.version)).collect()
}
