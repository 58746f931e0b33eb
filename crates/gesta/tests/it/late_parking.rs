//! What a group's replaced owner parks late counts for nothing, and what it decides late is obeyed; what its owner recorded
//! counts whenever it dies.

use std::{
    sync::{Arc, atomic::AtomicUsize},
    time::Duration,
};

use gesta::{DeliveryId, GroupError, Groups, Nack, Pull, Selection};
use gesta_conformance::around::Around;
use gesta_core::{Clock, MemoryCheckpoints, MemoryStore};

use crate::support::{
    Fuse, PATIENCE, Stalled, TokioClock, append, definition, ids, open, places, pull, tenant,
};

/// A log whose group was taken over while its owner parked `a-1@1`; the record is under way.
struct Overtaken {
    store: Arc<MemoryStore>,
    checkpoints: Arc<MemoryCheckpoints>,
    clock: Arc<dyn Clock>,
    stalled: Arc<Around<Stalled>>,
    heir: Arc<Groups>,
}

impl Overtaken {
    async fn new() -> Self {
        let clock = TokioClock::new();
        let store = Arc::new(MemoryStore::with_clock(clock.clone()));
        let checkpoints = Arc::new(MemoryCheckpoints::with_clock(clock.clone()));
        append(&*store, &["a-1", "a-1"]).await;
        let heir = open(store.clone(), checkpoints.clone(), clock.clone(), "heir").await;
        heir.create(&tenant(), "g", definition()).await.expect("creates");

        let stalled = Stalled::new(store.clone());
        let owner = open(stalled.clone(), checkpoints.clone(), clock.clone(), "owner").await;
        let held = pull(&owner, "c", 1, Duration::ZERO).await;
        let parks = tokio::spawn(async move { park(&owner, &ids(&held)).await });
        tokio::time::timeout(PATIENCE, stalled.caught()).await.expect("parks it");
        tokio::time::advance(PATIENCE).await;
        heir.attend(&tenant(), "g").await.expect("its lease is over");
        parks.abort();
        Self { store, checkpoints, clock, stalled, heir }
    }

    async fn another(&self) -> Arc<Groups> {
        open(self.store.clone(), self.checkpoints.clone(), self.clock.clone(), "later").await
    }
}

async fn park(groups: &Groups, deliveries: &[DeliveryId]) -> Result<usize, GroupError> {
    let nack = Nack { deliveries: deliveries.to_vec(), reason: None, park: true };
    groups.nack(&tenant(), "g", nack).await
}

async fn parked(groups: &Groups) -> Vec<String> {
    let parked = groups.parked(&tenant(), "g").await.expect("lists");
    parked.iter().map(|parked| format!("{}@{}", parked.event.stream, parked.event.version)).collect()
}

async fn counted(groups: &Groups) -> usize {
    groups.info(&tenant(), "g").await.expect("is there").parked
}

#[tokio::test(start_paused = true)]
async fn what_was_acknowledged_since_is_not_parked_and_holds_nobody_up() {
    let world = Overtaken::new().await;
    let held = pull(&world.heir, "c", 10, Duration::ZERO).await;
    assert_eq!(places(&held), ["a-1@1", "a-1@2"]);
    world.heir.ack(&tenant(), "g", &ids(&held)).await.expect("acknowledges");
    world.stalled.arrives().await;
    world.heir.shutdown().await;

    for version in 3..6 {
        let later = world.another().await;
        assert_eq!(counted(&later).await, 0, "as it is recorded");
        append(&*world.store, &["a-1"]).await;
        let held = pull(&later, "c", 10, Duration::ZERO).await;
        assert_eq!(places(&held), [format!("a-1@{version}")]);
        assert_eq!((parked(&later).await, counted(&later).await), (vec![], 0));
        assert_eq!(later.replay(&tenant(), "g", Selection::All).await.expect("replays"), 0);
        later.ack(&tenant(), "g", &ids(&held)).await.expect("acknowledges");
        later.shutdown().await;
    }
}

/// Its successor has parked another event of that stream, and finds that it does not know all that is recorded.
#[tokio::test(start_paused = true)]
async fn what_its_successor_parks_is_parked_alone() {
    let world = Overtaken::new().await;
    let held = pull(&world.heir, "c", 1, Duration::ZERO).await;
    world.heir.ack(&tenant(), "g", &ids(&held)).await.expect("acknowledges");
    world.stalled.arrives().await;

    let held = pull(&world.heir, "c", 1, Duration::ZERO).await;
    let lost = park(&world.heir, &ids(&held)).await.expect_err("its stream has gone on");
    assert!(matches!(lost, GroupError::LeaseLost { .. }), "{lost}");
    let held = pull(&world.heir, "c", 10, Duration::ZERO).await;
    assert_eq!(places(&held), ["a-1@2"]);
    park(&world.heir, &ids(&held)).await.expect("parks");
    assert_eq!((parked(&world.heir).await, counted(&world.heir).await), (vec!["a-1@2".to_owned()], 1));
    assert_eq!(world.heir.replay(&tenant(), "g", Selection::All).await.expect("replays"), 1);
    assert_eq!(places(&pull(&world.heir, "c", 10, Duration::ZERO).await), ["a-1@2"]);
}

/// The owners behind it die one after another, each at a later call.
#[tokio::test(start_paused = true)]
async fn it_counts_for_nothing_whenever_a_later_owner_dies() {
    let world = Overtaken::new().await;
    let held = pull(&world.heir, "c", 10, Duration::ZERO).await;
    world.heir.ack(&tenant(), "g", &ids(&held[1..])).await.expect("acknowledges");
    world.stalled.arrives().await;
    world.heir.shutdown().await;

    for (calls, late) in (1..8).flat_map(|calls| [(calls, false), (calls, true)]) {
        let left = Arc::new(AtomicUsize::new(calls));
        let store = Fuse::new(world.store.clone(), left.clone(), late);
        let dying =
            open(store, Fuse::new(world.checkpoints.clone(), left, late), world.clock.clone(), "later").await;
        let _ = tokio::time::timeout(Duration::from_secs(5), pull(&dying, "c", 10, Duration::ZERO)).await;
    }
    let last = world.another().await;
    let held = pull(&last, "c", 10, Duration::ZERO).await;
    assert_eq!(places(&held), ["a-1@1"], "what was acknowledged behind it does not come again");
    assert_eq!(parked(&last).await, [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn what_its_owner_recorded_is_parked_though_it_died_before_it_saved() {
    let world = Overtaken::new().await;
    // The one that was overtaken is of no interest here.
    let held = pull(&world.heir, "c", 1, Duration::ZERO).await;
    world.heir.shutdown().await;
    let left = Arc::new(AtomicUsize::new(usize::MAX));
    let checkpoints = Fuse::new(world.checkpoints.clone(), left.clone(), false);
    let dying = open(world.store.clone(), checkpoints, world.clock.clone(), "later").await;
    let again = pull(&dying, "c", 1, Duration::ZERO).await;
    assert_eq!(places(&again), places(&held));
    left.store(1, std::sync::atomic::Ordering::SeqCst);
    let parks = tokio::time::timeout(Duration::from_secs(5), park(&dying, &ids(&again))).await;
    assert!(parks.is_err(), "it dies while it saves");
    drop(dying);
    let last = world.another().await;
    assert_eq!((counted(&last).await, parked(&last).await), (1, vec!["a-1@1".to_owned()]));
}

/// Nothing but a decision takes an event from where it is parked, so one stands whenever it arrives.
#[tokio::test(start_paused = true)]
async fn what_was_decided_late_is_obeyed_while_its_successor_is_at_work() {
    let clock = TokioClock::new();
    let store = Arc::new(MemoryStore::with_clock(clock.clone()));
    let checkpoints = Arc::new(MemoryCheckpoints::with_clock(clock.clone()));
    append(&*store, &["a-1", "a-1"]).await;
    let first = open(store.clone(), checkpoints.clone(), clock.clone(), "first").await;
    first.create(&tenant(), "g", definition()).await.expect("creates");
    let held = pull(&first, "c", 1, Duration::ZERO).await;
    park(&first, &ids(&held)).await.expect("parks");
    first.shutdown().await;

    let stalled = Stalled::new(store.clone());
    let owner = open(stalled.clone(), checkpoints.clone(), clock.clone(), "owner").await;
    let replays = tokio::spawn(async move { owner.replay(&tenant(), "g", Selection::All).await });
    tokio::time::timeout(PATIENCE, stalled.caught()).await.expect("decides");
    tokio::time::advance(PATIENCE).await;
    let heir = open(store, checkpoints, clock, "heir").await;
    assert_eq!(parked(&heir).await, ["a-1@1"]);
    replays.abort();
    stalled.arrives().await;

    let ask = Pull { consumer: "c".into(), max: 10, wait: PATIENCE };
    let ended = heir.pull(&tenant(), "g", ask).await.expect_err("it does not know all that is recorded");
    assert!(matches!(ended, GroupError::Busy { .. }), "{ended}");
    assert_eq!(places(&pull(&heir, "c", 10, Duration::ZERO).await), ["a-1@1", "a-1@2"]);
}
