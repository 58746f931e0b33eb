//! What survives: a kill at any call, a zombie, a lost wakeup.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, atomic::AtomicUsize},
    time::Duration,
};

use gesta::{
    Delivery, DeliveryId, GroupDefinition, GroupError, Groups, GroupsOptions, Nack, Pull, Selection,
};
use gesta_core::{Clock, Filter, ManualClock, MemoryCheckpoints, MemoryStore, Timestamp};

use crate::support::{Fuse, Quiet, TokioClock, World, append, definition, ids, open, places, pull, tenant};

/// What a consumer has been told.
#[derive(Default)]
struct Told {
    /// Acknowledged for sure.
    acked: BTreeSet<String>,
    /// Acknowledged perhaps: the process died before it answered.
    perhaps: BTreeSet<String>,
}

/// A consumer works until the process dies: takes, acknowledges most, refuses one for good, replays it.
async fn work(groups: &Groups, told: &std::sync::Mutex<Told>) -> Result<(), GroupError> {
    groups.create(&tenant(), "g", definition()).await?;
    let say = |deliveries: &[Delivery], sure: bool| {
        let mut told = told.lock().expect("not poisoned");
        let places = places(deliveries);
        if sure { told.acked.extend(places) } else { told.perhaps.extend(places) }
    };
    for round in 0..6 {
        let pull = Pull { consumer: "c".into(), max: 4, wait: Duration::ZERO };
        let deliveries = groups.pull(&tenant(), "g", pull).await?;
        let (refused, handled): (Vec<_>, Vec<_>) = deliveries
            .into_iter()
            .partition(|delivery| round == 1 && delivery.event.stream.as_str() == "b-1");
        say(&handled, false);
        groups.ack(&tenant(), "g", &ids(&handled)).await?;
        say(&handled, true);
        if !refused.is_empty() {
            groups.nack(&tenant(), "g", Nack { deliveries: ids(&refused), reason: None, park: true }).await?;
        }
        if round == 3 {
            groups.replay(&tenant(), "g", Selection::All).await?;
        }
    }
    Ok(())
}

/// Runs the work with a process that dies at its call number `calls`; whether it died.
async fn dies_at(calls: usize, late: bool) -> bool {
    let clock: Arc<dyn Clock> = TokioClock::new();
    let store = Arc::new(MemoryStore::with_clock(clock.clone()));
    let checkpoints = Arc::new(MemoryCheckpoints::with_clock(clock.clone()));
    append(&*store, &["a-1", "b-1", "a-1", "c-1", "b-1", "b-1", "a-1", "c-1", "b-1", "d-1"]).await;
    let told = std::sync::Mutex::new(Told::default());
    let left = Arc::new(AtomicUsize::new(calls));
    let first = open(
        Fuse::new(store.clone(), left.clone(), late),
        Fuse::new(checkpoints.clone(), left, late),
        clock.clone(),
        "one",
    )
    .await;
    let died = tokio::time::timeout(Duration::from_secs(5), work(&first, &told)).await.is_err();
    drop(first);

    let second = open(store.clone(), checkpoints, clock, "one").await;
    second.create(&tenant(), "g", definition()).await.expect("creates or finds");
    let mut handled = BTreeMap::<String, u32>::new();
    for _ in 0..20 {
        second.replay(&tenant(), "g", Selection::All).await.expect("replays");
        let deliveries = pull(&second, "c", 3, Duration::from_secs(40)).await;
        for place in places(&deliveries) {
            *handled.entry(place).or_default() += 1;
        }
        second.ack(&tenant(), "g", &ids(&deliveries)).await.expect("acknowledges");
    }
    let told = told.into_inner().expect("not poisoned");
    for place in handled.keys() {
        assert!(!told.acked.contains(place), "{place} was acknowledged, call {calls}");
    }
    let open = told.perhaps.difference(&told.acked);
    let all: BTreeSet<_> = handled.keys().chain(&told.acked).chain(open).cloned().collect();
    assert_eq!(all.len(), 10, "nothing is lost, call {calls}: {all:?}");
    assert!(handled.values().all(|times| *times == 1), "{handled:?}");
    assert_eq!(second.info(&tenant(), "g").await.expect("is there").lag, 0);
    died
}

#[tokio::test(start_paused = true)]
async fn a_kill_at_any_call_loses_nothing_and_brings_back_only_what_was_not_acknowledged() {
    for late in [false, true] {
        let mut calls = 1;
        while dies_at(calls, late).await {
            calls += 1;
        }
        assert!(calls > 15, "{calls} calls were covered");
    }
}

#[tokio::test]
async fn a_zombie_applies_nothing() {
    let clock = Arc::new(ManualClock::at(Timestamp::from_micros(1_000_000)));
    let world = World::with_clock(clock.clone()).await;
    // Only the epoch tells: the lease of the deliveries is not over.
    world.create(GroupDefinition { lease: Duration::from_secs(600), ..definition() }).await;
    world.append(&["a-1", "b-1"]).await;
    let held = pull(&world.groups, "zombie", 10, Duration::ZERO).await;
    assert_eq!(held.len(), 2);
    // Its process sleeps longer than its claim holds.
    clock.advance(Duration::from_secs(60));
    let heir = world.another("two").await;
    let taken = pull(&heir, "heir", 10, Duration::ZERO).await;
    assert_eq!(places(&taken), places(&held));

    let late = world.groups.ack(&tenant(), "g", &ids(&held)).await.expect_err("a zombie");
    assert!(matches!(late, GroupError::LeaseLost { counted: 0, .. }), "{late}");
    let info = heir.info(&tenant(), "g").await.expect("is there");
    assert_eq!(
        (info.in_flight, info.statistics.acked, info.position.get()),
        (2, 0, 1),
        "position 1 is the group's own"
    );
    assert_eq!(heir.ack(&tenant(), "g", &ids(&taken)).await.expect("acknowledges"), 2);
    let foreign = heir.ack(&tenant(), "g", &ids(&held)).await.expect_err("of another epoch");
    assert!(matches!(foreign, GroupError::LeaseLost { .. }), "{foreign}");
}

#[tokio::test(start_paused = true)]
async fn a_group_that_another_process_runs_is_elsewhere_until_that_ends() {
    let world = World::new().await;
    world.create(definition()).await;
    world.append(&["a-1"]).await;
    let held = world.pull(1).await;
    let other = world.another("two").await;
    let ask = Pull { consumer: "c".into(), max: 1, wait: Duration::ZERO };
    let elsewhere = other.pull(&tenant(), "g", ask.clone()).await.expect_err("run elsewhere");
    assert!(matches!(&elsewhere, GroupError::Elsewhere { owner, .. } if owner == "one"), "{elsewhere}");
    assert_eq!(world.groups.elsewhere(&tenant(), "g").await.expect("asked"), None);
    let holder = other.elsewhere(&tenant(), "g").await.expect("asked").expect("another one runs it");
    assert_eq!(holder.owner, "one");
    world.ack(&held).await;
    world.append(&["a-1"]).await;
    world.groups.shutdown().await;
    assert_eq!(other.elsewhere(&tenant(), "g").await.expect("asked"), None, "nobody has it");
    let (store, checkpoints) = (world.store.clone(), world.checkpoints.clone());
    let options = GroupsOptions { claims: false, ..GroupsOptions::default() };
    let idle = Groups::open_with(store, checkpoints, world.clock.clone(), "three".into(), options).await;
    let idle = idle.expect("opens");
    let unclaimed = idle.pull(&tenant(), "g", ask.clone()).await.expect_err("it runs none");
    assert!(matches!(unclaimed, GroupError::Unclaimed { .. }), "{unclaimed}");
    assert_eq!(places(&pull(&other, "c", 10, Duration::ZERO).await), ["a-1@2"]);
    let elsewhere = idle.pull(&tenant(), "g", ask).await.expect_err("it runs none");
    assert!(matches!(&elsewhere, GroupError::Elsewhere { owner, .. } if owner == "two"), "{elsewhere}");
}

#[tokio::test(start_paused = true)]
async fn a_lease_is_as_long_as_it_was_set() {
    let world = World::new().await;
    world.create(definition()).await;
    let (store, checkpoints) = (world.store.clone(), world.checkpoints.clone());
    let options = GroupsOptions { lease: Duration::from_secs(2), ..GroupsOptions::default() };
    let short = Groups::open_with(store, checkpoints, world.clock.clone(), "short".into(), options).await;
    let short = short.expect("opens");
    short.attend(&tenant(), "g").await.expect("nobody has it");
    let held = world.groups.elsewhere(&tenant(), "g").await.expect("asked").expect("held");
    assert!(held.remaining <= Duration::from_secs(2), "{:?}", held.remaining);
    // It dies without a word.
    drop(short);
    tokio::time::advance(Duration::from_secs(2)).await;
    world.groups.attend(&tenant(), "g").await.expect("its lease is over");
}

#[tokio::test(start_paused = true)]
async fn a_lost_wakeup_loses_nothing() {
    let clock = TokioClock::new();
    let store = Arc::new(MemoryStore::with_clock(clock.clone()));
    let checkpoints = Arc::new(MemoryCheckpoints::with_clock(clock.clone()));
    let groups = open(Quiet::new(store.clone()), checkpoints, clock, "one").await;
    groups.create(&tenant(), "g", GroupDefinition::of(Filter::default())).await.expect("creates");
    for version in 1..=5 {
        let waiting = {
            let groups = groups.clone();
            tokio::spawn(async move { pull(&groups, "c", 1, Duration::from_secs(10)).await })
        };
        tokio::time::sleep(Duration::from_millis(300)).await;
        append(&*store, &["a-1"]).await;
        let before = tokio::time::Instant::now();
        let deliveries = waiting.await.expect("runs");
        assert_eq!(places(&deliveries), [format!("a-1@{version}")]);
        assert!(before.elapsed() <= Duration::from_secs(1), "a poll finds it");
        groups.ack(&tenant(), "g", &ids(&deliveries)).await.expect("acknowledges");
    }
}

#[tokio::test(start_paused = true)]
async fn an_idle_group_lets_go_and_comes_back() {
    let world = World::new().await;
    world.create(definition()).await;
    world.append(&["a-1", "a-1"]).await;
    let first = world.pull(1).await;
    world.ack(&first).await;
    let epoch = world.groups.info(&tenant(), "g").await.expect("is there").epoch;
    assert!(epoch.0 > 0);
    tokio::time::sleep(Duration::from_secs(90)).await;
    let info = world.groups.info(&tenant(), "g").await.expect("is there");
    assert_eq!((info.epoch.0, info.position.get(), info.statistics.acked), (0, 2, 1), "nobody runs it");
    assert_eq!(places(&world.pull(10).await), ["a-1@2"]);
    assert!(world.groups.info(&tenant(), "g").await.expect("is there").epoch > epoch);
}

#[tokio::test(start_paused = true)]
async fn counts_of_deliveries_are_true_after_a_restart() {
    let mut world = World::new().await;
    world.create(definition()).await;
    world.append(&["a-1"]).await;
    for count in 1..=3 {
        let deliveries = world.pull(1).await;
        assert_eq!(deliveries[0].delivery_count, count);
        world.reopen().await;
        let stale = world.groups.ack(&tenant(), "g", &ids(&deliveries)).await;
        assert!(matches!(stale, Err(GroupError::LeaseLost { .. })));
    }
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_right_behind_a_refusal_loses_nothing() {
    let mut world = World::new().await;
    world.create(definition()).await;
    world.append(&["a-1"]).await;
    let deliveries = world.pull(1).await;
    let groups = world.groups.clone();
    let park = Nack { deliveries: ids(&deliveries), reason: None, park: true };
    let tenant = tenant();
    // Both commands reach the group in one turn.
    let _ = tokio::join!(groups.nack(&tenant, "g", park), groups.shutdown());
    world.reopen().await;
    let parked = world.groups.parked(&tenant, "g").await.expect("lists").len();
    assert_eq!(parked + world.pull(10).await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_id_that_was_never_given_out_is_lost() {
    let world = World::new().await;
    world.create(definition()).await;
    for nonsense in ["", "1", "1.2", "1.2.3", "x.y.z", "18446744073709551616.1.1"] {
        let lost = world.groups.ack(&tenant(), "g", &[DeliveryId::from(nonsense)]).await;
        assert!(matches!(lost, Err(GroupError::LeaseLost { counted: 0, .. })), "{nonsense}");
    }
}
