//! Groups: order, leases, retries, parking, and what survives.

use std::time::Duration;

use gesta::{GroupError, Nack, Selection};

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
