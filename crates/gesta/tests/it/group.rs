//! Groups: order, leases, retries, parking, and what survives.

use std::time::Duration;

use gesta::{GroupDefinition, GroupError, Nack, Pull, Selection};
use gesta_core::Filter;

use crate::support::{World, definition, ids, places, pull, tenant};

#[tokio::test(start_paused = true)]
async fn delivers_and_acknowledges() {
    let world = World::new().await;
    world.create(definition()).await;
    world.append(&["a-1", "b-1", "a-1"]).await;
    let deliveries = world.pull(10).await;
    assert_eq!(deliveries.len(), 3);
    assert_eq!(world.ack(&deliveries).await, 3);
    assert!(world.pull(10).await.is_empty());
    let info = world.groups.info(&tenant(), "g").await.expect("is there");
    assert_eq!((info.in_flight, info.statistics.acked), (0, 3));
    assert_eq!(info.lag, 0);
}

#[tokio::test(start_paused = true)]
async fn an_event_of_a_stream_waits_for_those_before_it() {
    let world = World::new().await;
    world.create(definition()).await;
    world.append(&["a-1", "a-1", "b-1", "a-1"]).await;
    let first = pull(&world.groups, "one", 1, Duration::ZERO).await;
    assert_eq!(places(&first), ["a-1@1"]);
    let second = pull(&world.groups, "two", 10, Duration::ZERO).await;
    assert_eq!(places(&second), ["b-1@1"]);
    world.ack(&first).await;
    assert_eq!(places(&world.pull(10).await), ["a-1@2", "a-1@3"]);
}

#[tokio::test(start_paused = true)]
async fn an_acknowledgement_twice_counts_nothing() {
    let world = World::new().await;
    world.create(definition()).await;
    world.append(&["a-1"]).await;
    let deliveries = world.pull(10).await;
    assert_eq!(world.ack(&deliveries).await, 1);
    assert_eq!(world.ack(&deliveries).await, 0);
}

#[tokio::test(start_paused = true)]
async fn what_failed_comes_again_after_its_delays_and_is_parked_after_the_last() {
    let world = World::new().await;
    world.create(definition()).await;
    world.append(&["a-1", "a-1", "b-1"]).await;
    let deliveries = world.pull(10).await;
    world.ack(&deliveries[2..]).await;
    let refuse = |deliveries| Nack { deliveries, reason: Some("no".into()), park: false };
    world.groups.nack(&tenant(), "g", refuse(ids(&deliveries[..1]))).await.expect("refuses");
    for (count, delay) in [(2, 1), (3, 5), (4, 15)] {
        let before = tokio::time::Instant::now();
        let again = world.pull_for(10, Duration::from_secs(60)).await;
        let waited = before.elapsed();
        assert_eq!(places(&again), ["a-1@1"], "alone");
        assert_eq!(again[0].delivery_count, count);
        assert!(
            waited >= Duration::from_secs(delay) && waited < Duration::from_secs(delay + 1),
            "{waited:?}"
        );
        world.groups.nack(&tenant(), "g", refuse(ids(&again))).await.expect("refuses");
    }
    assert!(world.pull_for(10, Duration::from_secs(60)).await.is_empty(), "a-1@2 is held");
    let parked = world.groups.parked(&tenant(), "g").await.expect("lists");
    assert_eq!((parked.len(), parked[0].attempts, parked[0].held), (1, 4, 1));
    assert_eq!(parked[0].reason, "no");
    world.append(&["a-1", "b-1"]).await;
    assert_eq!(places(&world.pull(10).await), ["b-1@2"], "other streams go on");

    assert_eq!(world.groups.replay(&tenant(), "g", Selection::All).await.expect("replays"), 1);
    let again = world.pull(10).await;
    assert_eq!(places(&again), ["a-1@1", "a-1@2", "a-1@3"]);
    assert_eq!(again[0].delivery_count, 5);
    world.ack(&again).await;
    world.append(&["a-1"]).await;
    assert_eq!(places(&world.pull(10).await), ["a-1@4"]);
}

#[tokio::test(start_paused = true)]
async fn a_discarded_event_lets_the_others_pass() {
    let world = World::new().await;
    world.create(definition()).await;
    world.append(&["a-1", "a-1"]).await;
    let deliveries = world.pull(1).await;
    let park = Nack { deliveries: ids(&deliveries), reason: None, park: true };
    world.groups.nack(&tenant(), "g", park).await.expect("parks");
    assert!(world.pull(10).await.is_empty());
    let chosen = Selection::Events(vec![deliveries[0].event.id]);
    let reason = Some("a test".to_owned());
    assert_eq!(world.groups.discard(&tenant(), "g", chosen, reason).await.expect("discards"), 1);
    assert_eq!(places(&world.pull(10).await), ["a-1@2"]);
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_runs_out_gives_the_event_to_another() {
    let world = World::new().await;
    world.create(definition()).await;
    world.append(&["a-1", "a-1"]).await;
    let first = pull(&world.groups, "one", 10, Duration::ZERO).await;
    assert_eq!(first.len(), 2);
    let second = pull(&world.groups, "two", 10, Duration::from_secs(40)).await;
    assert_eq!(places(&second), ["a-1@1"]);
    assert_eq!(second[0].delivery_count, 2);
    let late = world.groups.ack(&tenant(), "g", &ids(&first)).await.expect_err("too late");
    assert!(matches!(&late, GroupError::LeaseLost { counted: 0, lost } if lost.len() == 2), "{late}");
    world.ack(&second).await;
    assert_eq!(places(&world.pull(10).await), ["a-1@2"]);
}

#[tokio::test(start_paused = true)]
async fn urgent_streams_come_first_and_order_within_a_stream_stands_above() {
    let world = World::new().await;
    world.create(definition()).await;
    for (stream, priority) in
        [("low-1", 5), ("mid-1", 3), ("high-1", 1), ("mixed-1", 5), ("mixed-1", 2), ("mid-2", 3)]
    {
        world.append_urgent(stream, priority).await;
    }
    let order = places(&world.pull(10).await);
    assert_eq!(order, ["high-1@1", "mixed-1@1", "mixed-1@2", "mid-1@1", "mid-2@1", "low-1@1"]);
}

#[tokio::test(start_paused = true)]
async fn a_group_made_before_the_first_event_misses_nothing() {
    let world = World::new().await;
    world.append(&["a-1"]).await;
    world.create(GroupDefinition::of(Filter::default())).await;
    let waiting = {
        let groups = world.groups.clone();
        tokio::spawn(async move { pull(&groups, "c", 10, Duration::from_secs(30)).await })
    };
    tokio::time::sleep(Duration::from_secs(5)).await;
    world.append(&["a-1"]).await;
    assert_eq!(places(&waiting.await.expect("runs")), ["a-1@2"]);
}

#[tokio::test(start_paused = true)]
async fn the_same_definition_again_is_the_same_group_and_another_is_refused() {
    let world = World::new().await;
    world.create(definition()).await;
    world.create(definition()).await;
    let other = GroupDefinition { auto_ack: true, ..definition() };
    let refused = world.groups.create(&tenant(), "g", other).await.expect_err("exists");
    assert!(matches!(refused, GroupError::Exists { .. }), "{refused}");
    let create = || {
        let groups = world.groups.clone();
        tokio::spawn(async move { groups.create(&tenant(), "h", definition()).await })
    };
    for created in [create(), create(), create()] {
        created.await.expect("runs").expect("creates or finds");
    }
    let names: Vec<_> =
        world.groups.list(&tenant()).await.expect("lists").into_iter().map(|info| info.name).collect();
    assert_eq!(names, ["g", "h"]);
}

#[tokio::test(start_paused = true)]
async fn a_removed_group_is_gone_and_one_of_its_name_begins_anew() {
    let mut world = World::new().await;
    world.create(definition()).await;
    world.append(&["a-1"]).await;
    let old = world.pull(10).await;
    world.ack(&old).await;
    world.groups.remove(&tenant(), "g").await.expect("removes");
    let ask = Pull { consumer: "c".into(), max: 1, wait: Duration::ZERO };
    let gone = world.groups.pull(&tenant(), "g", ask).await;
    assert!(matches!(gone, Err(GroupError::NotFound { .. })));
    assert!(matches!(world.groups.info(&tenant(), "g").await, Err(GroupError::NotFound { .. })));
    assert!(world.groups.list(&tenant()).await.expect("lists").is_empty());
    world.reopen().await;
    assert!(world.groups.list(&tenant()).await.expect("lists").is_empty());
    world.create(definition()).await;
    assert_eq!(places(&world.pull(10).await), ["a-1@1"]);
}

#[tokio::test(start_paused = true)]
async fn a_group_of_another_tenant_sees_nothing() {
    let world = World::new().await;
    world.append(&["a-1"]).await;
    let other: gesta_core::Tenant = "other".parse().expect("legal");
    let definition = GroupDefinition { filter: Filter::of(tenant()).with_system(), ..definition() };
    world.groups.create(&other, "g", definition).await.expect("creates");
    let ask = Pull { consumer: "c".into(), max: 10, wait: Duration::from_secs(2) };
    assert!(world.groups.pull(&other, "g", ask).await.expect("pulls").is_empty());
    assert!(matches!(world.groups.info(&tenant(), "g").await, Err(GroupError::NotFound { .. })));
}

#[tokio::test(start_paused = true)]
async fn a_group_that_acknowledges_by_itself_does_so_only_for_somebody_who_is_there() {
    let mut world = World::new().await;
    world.create(GroupDefinition { auto_ack: true, ..definition() }).await;
    let ask = Pull { consumer: "gone".into(), max: 10, wait: Duration::from_secs(30) };
    let gone = tokio::time::timeout(Duration::from_secs(1), world.groups.pull(&tenant(), "g", ask)).await;
    assert!(gone.is_err(), "it gave up");
    world.append(&["a-1", "a-1"]).await;
    assert_eq!(places(&world.pull(1).await), ["a-1@1"]);
    world.reopen().await;
    assert_eq!(places(&world.pull(10).await), ["a-1@2"]);
    assert_eq!(world.groups.info(&tenant(), "g").await.expect("is there").statistics.acked, 2);
}

#[tokio::test(start_paused = true)]
async fn one_stream_that_fails_does_not_hold_up_the_others_even_when_the_window_is_small() {
    let world = World::new().await;
    world.create(GroupDefinition { max_in_flight: 2, ..definition() }).await;
    world.append(&["bad-1"; 20]).await;
    world.append(&["b-1"; 5]).await;
    let first = world.pull(1).await;
    assert_eq!(places(&first), ["bad-1@1"]);
    let refuse = Nack { deliveries: ids(&first), reason: None, park: false };
    world.groups.nack(&tenant(), "g", refuse).await.expect("refuses");
    let mut seen = Vec::new();
    while seen.len() < 5 {
        let deliveries = world.pull(10).await;
        assert!(!deliveries.is_empty(), "{seen:?}");
        world.ack(&deliveries).await;
        seen.extend(places(&deliveries));
    }
    assert_eq!(seen, ["b-1@1", "b-1@2", "b-1@3", "b-1@4", "b-1@5"]);
    let mut late = Vec::new();
    while late.len() < 20 {
        let deliveries = world.pull_for(10, Duration::from_secs(5)).await;
        world.ack(&deliveries).await;
        late.extend(places(&deliveries));
    }
    assert_eq!(late, (1..=20).map(|version| format!("bad-1@{version}")).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn a_refused_batch_gives_back_what_stands_behind_the_first() {
    let world = World::new().await;
    world.create(definition()).await;
    world.append(&["a-1", "a-1", "a-1"]).await;
    let deliveries = world.pull(10).await;
    let refuse = Nack { deliveries: ids(&deliveries), reason: None, park: false };
    assert_eq!(world.groups.nack(&tenant(), "g", refuse).await.expect("refuses"), 3);
    for version in 1..=3 {
        let again = world.pull_for(1, Duration::from_secs(2)).await;
        assert_eq!((places(&again)[0].as_str(), again[0].delivery_count), (&*format!("a-1@{version}"), 2));
        world.ack(&again).await;
    }
}

/// `dead_letter_order`: handled and parked make up delivered, and no stream has an inversion.
#[tokio::test(start_paused = true)]
async fn dead_letter_order() {
    let world = World::new().await;
    let once = vec![Duration::ZERO];
    world.create(GroupDefinition { retry_delays: once, max_in_flight: 20, ..definition() }).await;
    let streams: Vec<String> = (0..300).map(|at| format!("s-{}", at * 7 % 11)).collect();
    world.append(&streams.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let (mut handled, mut parked) = (Vec::new(), 0);
    let mut refused = std::collections::BTreeSet::new();
    let mut pulls = 0;
    while handled.len() < 300 {
        pulls += 1;
        assert!(pulls < 2_000, "{} of 300 are handled and no more come", handled.len());
        let deliveries = world.pull(7).await;
        if deliveries.is_empty() {
            parked += world.groups.replay(&tenant(), "g", Selection::All).await.expect("replays");
            continue;
        }
        for delivery in deliveries {
            // Every fifth version fails once; the first failure of a stream is its last attempt.
            let fails = delivery.event.version.get() % 5 == 0 && refused.insert(delivery.event.position);
            let one = ids(std::slice::from_ref(&delivery));
            if fails {
                let nack = Nack { deliveries: one, ..Nack::default() };
                world.groups.nack(&tenant(), "g", nack).await.expect("refuses");
            } else if world.groups.ack(&tenant(), "g", &one).await.is_ok() {
                handled.push((delivery.event.stream.to_string(), delivery.event.version));
            }
        }
    }
    let statistics = world.groups.info(&tenant(), "g").await.expect("is there").statistics;
    assert_eq!(parked, refused.len(), "each failure was parked once");
    assert_eq!((statistics.acked, statistics.parked), (300, parked as u64));
    for stream in &streams {
        let versions: Vec<_> =
            handled.iter().filter(|(of, _)| of == stream).map(|(_, version)| *version).collect();
        assert!(versions.is_sorted(), "{stream}: {versions:?}");
    }
}
