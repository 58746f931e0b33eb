//! Snapshots shorten a load and never change what it gives.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};

use async_trait::async_trait;
use gesta::{Aggregate, Context, Repository, snapshot::SnapshotPolicy};
use gesta_core::{
    AppendBatch, EventStore, ExpectedVersion, MemorySnapshots, MemoryStore, NewEvent, Snapshot,
    SnapshotError, SnapshotStore, StreamId, Tenant, Timestamp, Version,
};
use proptest::prelude::*;
use serde::{Deserialize, Serialize};

use super::{
    concert::{Concert, ConcertCommand, ConcertEvent, No, command, open, sell, tenant},
    faulty::Faulty,
};

fn every(every: u64) -> SnapshotPolicy {
    SnapshotPolicy { every, ..SnapshotPolicy::default() }
}

/// `concert-1` with so many events, made without a repository.
async fn long_stream(events: usize) -> Arc<MemoryStore> {
    let store = Arc::new(MemoryStore::new());
    append(&store, 0..events).await;
    store
}

async fn append(store: &MemoryStore, seats: std::ops::Range<usize>) {
    let opened = NewEvent::new("ConcertOpened", r#"{"seats":1000000,"opened_at":"2026-01-01T00:00:00Z"}"#);
    let sold = |seat| NewEvent::new("SeatSold", format!(r#"{{"seat":{},"to":"ada"}}"#, seat % 100));
    let events: Vec<_> = seats.map(|seat| if seat == 0 { opened.clone() } else { sold(seat) }).collect();
    for some in events.chunks(500) {
        let stream = "concert-1".parse().expect("legal");
        store.append(AppendBatch::to(stream, ExpectedVersion::Any, some.to_vec())).await.expect("appends");
    }
}

/// Snapshots that are counted, and refused or never answered when told so.
#[derive(Default)]
struct Watched {
    snapshots: MemorySnapshots,
    saved: AtomicUsize,
    kept: Mutex<Vec<u64>>,
    refuse: bool,
    hang: bool,
}

impl Watched {
    async fn pass(&self) -> Result<(), SnapshotError> {
        if self.hang {
            std::future::pending::<()>().await;
        }
        if self.refuse { Err(SnapshotError { reason: "the disk is full".into() }) } else { Ok(()) }
    }
}

#[async_trait]
impl SnapshotStore for Watched {
    async fn load(
        &self,
        tenant: &Tenant,
        stream: &StreamId,
        fingerprint: &str,
    ) -> Result<Option<Snapshot>, SnapshotError> {
        self.pass().await?;
        self.snapshots.load(tenant, stream, fingerprint).await
    }
    async fn save(
        &self,
        tenant: &Tenant,
        stream: &StreamId,
        snapshot: Snapshot,
    ) -> Result<(), SnapshotError> {
        self.pass().await?;
        self.saved.fetch_add(1, Ordering::SeqCst);
        self.kept.lock().expect("no holder panics").push(snapshot.version.get());
        self.snapshots.save(tenant, stream, snapshot).await
    }
    async fn prune(&self, tenant: &Tenant, stream: &StreamId, keep: usize) -> Result<(), SnapshotError> {
        self.pass().await?;
        let mut kept = std::mem::take(&mut *self.kept.lock().expect("no holder panics"));
        kept.drain(..kept.len().saturating_sub(keep));
        *self.kept.lock().expect("no holder panics") = kept;
        self.snapshots.prune(tenant, stream, keep).await
    }
}

/// OR-13: counted in reads, not in time.
#[tokio::test]
async fn a_load_of_a_hundred_thousand_events_reads_a_hundred_at_most() {
    let store = Faulty::over(long_stream(100_000).await, []);
    let concerts = Repository::<Concert>::new(store.clone())
        .with_snapshots(Arc::new(MemorySnapshots::default()), SnapshotPolicy::default());
    let first = concerts.load(&tenant(), "1").await.expect("loads").expect("is there");
    assert_eq!(store.take_events_read(), 100_000, "the first load has no snapshot");

    append(&store.store, 100_000..100_099).await;
    let loaded = concerts.load(&tenant(), "1").await.expect("loads").expect("is there");
    assert_eq!(loaded.version.get(), 100_099);
    // One more than the tail: the event the snapshot ends with is compared with the log.
    assert_eq!(store.take_events_read(), 99 + 1);
    assert_eq!(loaded.state.sold, first.state.sold, "the same seats again");
}

#[tokio::test]
async fn no_command_reads_more_than_the_events_behind_the_last_snapshot() {
    let store = Faulty::over(long_stream(1).await, []);
    let watched = Arc::new(Watched::default());
    let concerts = Repository::<Concert>::new(store.clone()).with_snapshots(watched.clone(), every(10));
    for seat in 0..95 {
        concerts.execute(command(sell(seat))).await.expect("sells");
        assert!(store.take_events_read() <= 11, "at seat {seat}");
    }
    assert_eq!(watched.saved.load(Ordering::SeqCst), 9, "96 events, one snapshot for each ten");
}

/// DEC-50.
#[tokio::test]
async fn old_snapshots_are_removed_on_their_own() {
    let watched = Arc::new(Watched::default());
    let policy = SnapshotPolicy { every: 2, keep: 2, ..SnapshotPolicy::default() };
    let concerts = Repository::<Concert>::new(long_stream(1).await).with_snapshots(watched.clone(), policy);
    for seat in 0..12 {
        concerts.execute(command(sell(seat))).await.expect("sells");
    }
    assert_eq!(*watched.kept.lock().expect("no holder panics"), [10, 12]);
}

#[tokio::test(start_paused = true)]
async fn snapshots_that_fail_or_hang_do_not_fail_a_command() {
    for (refuse, hang) in [(true, false), (false, true)] {
        let watched = Arc::new(Watched { refuse, hang, ..Watched::default() });
        let concerts = Repository::<Concert>::new(long_stream(50).await).with_snapshots(watched, every(1));
        let executed = concerts.execute(command(ConcertCommand::Close)).await.expect("closes");
        assert_eq!(executed.version.get(), 51);
    }
}

/// The concert of an older program: other state of the same events.
macro_rules! another_concert {
    ($name:ident { $($field:ident: $type:ty),* } $apply:expr) => {
        #[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize)]
        #[serde(default)]
        struct $name { $($field: $type),* }

        impl Aggregate for $name {
            const CATEGORY: &'static str = "concert";
            type Command = ();
            type Event = ConcertEvent;
            type Rejection = No;
            fn decide(&self, (): &(), _: &Context<'_>) -> Result<Vec<ConcertEvent>, No> {
                Ok(vec![])
            }
            fn apply(&mut self, event: &ConcertEvent, _: &Context<'_>) {
                let apply: fn(&mut Self, &ConcertEvent) = $apply;
                apply(self, event);
            }
        }
    };
}

another_concert!(
    Older { seats: u32 } | state,
    event
        | if let ConcertEvent::Opened(opened) = event {
            state.seats = opened.seats;
        }
);
// Everything of the older one fits into it, and what is new has a default: only the fingerprint tells.
another_concert!(
    Newer { seats: u32, sold: u32 } | state,
    event
        | match event {
            ConcertEvent::Opened(opened) => state.seats = opened.seats,
            ConcertEvent::Sold(_) => state.sold += 1,
            ConcertEvent::Closed(_) => {}
        }
);

/// OR-13, OR-26.
#[tokio::test]
async fn a_changed_type_of_state_is_folded_from_the_events() {
    let snapshots = Arc::new(MemorySnapshots::default());
    let store = Faulty::over(long_stream(30).await, []);
    let older = Repository::<Older>::new(store.clone()).with_snapshots(snapshots.clone(), every(10));
    older.load(&tenant(), "1").await.expect("loads");
    store.take_events_read();
    older.load(&tenant(), "1").await.expect("loads");
    assert_eq!(store.take_events_read(), 1, "the older type has its snapshot");

    let newer = Repository::<Newer>::new(store.clone()).with_snapshots(snapshots.clone(), every(10));
    let loaded = newer.load(&tenant(), "1").await.expect("loads").expect("is there");
    assert_eq!((loaded.state.sold, store.take_events_read()), (29, 30));
    let policy = SnapshotPolicy { revision: 2, ..every(10) };
    let revised = Repository::<Newer>::new(store.clone()).with_snapshots(snapshots, policy);
    revised.load(&tenant(), "1").await.expect("loads");
    assert_eq!(store.take_events_read(), 30, "another meaning of the same type");
}

#[tokio::test]
async fn a_damaged_snapshot_is_passed_over() {
    let snapshots = Arc::new(MemorySnapshots::default());
    let store = long_stream(30).await;
    let concerts = Repository::<Newer>::new(store).with_snapshots(snapshots.clone(), every(10));
    concerts.load(&tenant(), "1").await.expect("loads");
    let stream: StreamId = "concert-1".parse().expect("legal");
    let finder = Finder::default();
    let probe = Repository::<Newer>::new(Arc::new(MemoryStore::new()))
        .with_snapshots(Arc::new(finder.clone()), every(10));
    probe.load(&tenant(), "1").await.expect("is empty");
    let fingerprint = finder.0.lock().expect("no holder panics").clone();
    let saved = snapshots.load(&tenant(), &stream, &fingerprint).await.expect("loads").expect("was saved");
    for state in ["", "{", r#"{"seats":1}"#] {
        let damaged = Snapshot { state: state.into(), ..saved.clone() };
        snapshots.save(&tenant(), &stream, damaged).await.expect("saves");
        let loaded = concerts.load(&tenant(), "1").await.expect("loads").expect("is there");
        assert_eq!(loaded.state.sold, 29, "{state}");
    }
}

/// Remembers which fingerprint it was asked for.
#[derive(Clone, Default)]
struct Finder(Arc<Mutex<String>>);

#[async_trait]
impl SnapshotStore for Finder {
    async fn load(
        &self,
        _: &Tenant,
        _: &StreamId,
        fingerprint: &str,
    ) -> Result<Option<Snapshot>, SnapshotError> {
        *self.0.lock().expect("no holder panics") = fingerprint.to_owned();
        Ok(None)
    }
    async fn save(&self, _: &Tenant, _: &StreamId, _: Snapshot) -> Result<(), SnapshotError> {
        Ok(())
    }
    async fn prune(&self, _: &Tenant, _: &StreamId, _: usize) -> Result<(), SnapshotError> {
        Ok(())
    }
}

/// A log put back from a backup went another way; the snapshots of its other life are still there.
#[tokio::test]
async fn a_snapshot_of_another_life_of_the_log_is_passed_over() {
    let snapshots = Arc::new(MemorySnapshots::default());
    for (events, life) in [(30, "the first"), (20, "shorter"), (40, "longer")] {
        let concerts =
            Repository::<Newer>::new(long_stream(events).await).with_snapshots(snapshots.clone(), every(10));
        let loaded = concerts.load(&tenant(), "1").await.expect("loads").expect("is there");
        assert_eq!(loaded.state.sold as usize, events - 1, "{life}");
    }
}

/// OR-23, with snapshots behind what is asked for.
#[tokio::test]
async fn the_past_is_not_taken_from_a_later_snapshot() {
    let snapshots = Arc::new(MemorySnapshots::default());
    let concerts = Repository::<Newer>::new(long_stream(50).await).with_snapshots(snapshots, every(10));
    concerts.load(&tenant(), "1").await.expect("loads");
    for version in [1, 5, 49, 50] {
        let then = concerts.load_version(&tenant(), "1", Version::new(version)).await.expect("loads");
        assert_eq!(u64::from(then.expect("is there").state.sold), version - 1);
    }
    let before = concerts.load_at(&tenant(), "1", Timestamp::from_micros(0)).await.expect("loads");
    assert_eq!(before, None);
}

fn any_command() -> impl Strategy<Value = ConcertCommand> {
    prop_oneof![
        1 => (1..9u32).prop_map(open),
        6 => prop::collection::vec(0..12u32, 1..3)
            .prop_map(|seats| ConcertCommand::Sell { seats, to: "ada".into() }),
        1 => Just(ConcertCommand::Close),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn with_and_without_snapshots_everything_is_the_same(
        commands in prop::collection::vec(any_command(), 0..40),
        every_events in 1..7u64,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("starts");
        runtime.block_on(async {
            let store = Arc::new(MemoryStore::new());
            let plain = Repository::<Concert>::new(store.clone());
            let snapshots = Arc::new(MemorySnapshots::default());
            let short = Repository::<Concert>::new(store).with_snapshots(snapshots, every(every_events));
            for payload in commands {
                let executed = short.execute(command(payload)).await;
                let (full, quick) = (plain.load(&tenant(), "1").await, short.load(&tenant(), "1").await);
                let (full, quick) = (full.expect("loads"), quick.expect("loads"));
                prop_assert_eq!(&full, &quick);
                if let Ok(executed) = executed {
                    prop_assert_eq!(full.map(|loaded| loaded.state).unwrap_or_default(), executed.state);
                }
            }
            Ok(())
        })?;
    }
}
