//! Groups and their consumers.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use gesta_api::GroupRequest;
use gesta_client::{Client, EventServiceClient, Failure, Group, GroupConsumer};
use gesta_core::Tenant;
use serde_json::json;
use tokio::sync::Notify;

use crate::served::{PATIENCE, Served};

/// A group that parks after two attempts without a pause.
async fn group(client: &Client) -> Group {
    let request = GroupRequest {
        name: "workers".into(),
        filter: None,
        start: None,
        retry_delays_ms: Some(vec![0, 0]),
        lease_ms: None,
        auto_ack: None,
        max_in_flight: None,
    };
    Group::create(client, &request).await.expect("a group");
    Group::of(client.clone(), "workers")
}

async fn publish(client: &Client, event_type: &str, subjects: impl IntoIterator<Item = String>) {
    let events = EventServiceClient::of(client.clone(), "test");
    let requests = subjects.into_iter().enumerate().map(|(n, subject)| gesta_api::PublishRequest {
        subject: Some(subject),
        ..events.request(event_type, &json!({ "n": n })).expect("a request")
    });
    events.send_all(requests.collect()).await.expect("published");
}

/// What handlers saw, and who waits for more of it.
#[derive(Default)]
struct Seen {
    positions: Mutex<Vec<(String, u64)>>,
    more: Notify,
}

impl Seen {
    fn add(&self, stream: &str, position: u64) {
        self.positions.lock().expect("no panic").push((stream.to_owned(), position));
        self.more.notify_one();
    }

    fn count(&self) -> usize {
        self.positions.lock().expect("no panic").len()
    }

    async fn at_least(&self, count: usize) {
        let enough = async {
            while self.count() < count {
                self.more.notified().await;
            }
        };
        tokio::time::timeout(PATIENCE, enough).await.expect("handled in time");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_event_is_handled_once_and_each_streams_in_order() {
    let served = Served::open().await;
    let client = served.client(&Tenant::default()).await;
    let group = group(&client).await;
    publish(&client, "order.changed", (0..120).map(|n| format!("order-{}", n % 7))).await;
    publish(&client, "other.changed", ["other-1".to_owned()]).await;
    let seen = Arc::new(Seen::default());
    let handler = |seen: Arc<Seen>| {
        move |delivered: Arc<gesta_client::Delivered>| {
            let seen = seen.clone();
            async move {
                seen.add(&delivered.stream_id, delivered.event.position);
                Ok(())
            }
        }
    };
    let consumer = GroupConsumer::new(group.clone(), "one").on("order.*", handler(seen.clone())).batch(50);
    let consumed = consumer.run(seen.at_least(120)).await.expect("a good end");
    assert_eq!((consumed.failed, consumed.lost), (0, 0));
    let mut streams: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for (stream, position) in seen.positions.lock().expect("no panic").drain(..) {
        streams.entry(stream).or_default().push(position);
    }
    assert_eq!(streams.values().map(Vec::len).sum::<usize>(), 120);
    assert!(streams.values().all(|positions| positions.is_sorted_by(|a, b| a < b)), "{streams:?}");
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_handled_is_tried_again_and_then_parked() {
    let served = Served::open().await;
    let client = served.client(&Tenant::default()).await;
    let group = group(&client).await;
    publish(&client, "order.changed", ["order-1".to_owned(), "order-2".to_owned()]).await;
    let tries = Arc::new(Seen::default());
    let counted = tries.clone();
    let consumer = GroupConsumer::new(group.clone(), "one").wait(Duration::from_millis(200)).on(
        "order.*",
        move |delivered| {
            let tries = counted.clone();
            async move {
                tries.add(&delivered.stream_id, u64::from(delivered.delivery_count));
                match delivered.stream_id.as_str() {
                    "order-1" => Err(Failure::from("no such customer")),
                    _ => panic!("a defect of the handler"),
                }
            }
        },
    );
    let consumed = consumer.run(tries.at_least(4)).await.expect("a good end");
    assert_eq!((consumed.handled, consumed.failed), (0, 4));
    let parked = group.parked().await.expect("a list");
    let reasons: BTreeMap<_, _> = parked.iter().map(|p| (p.stream_id.as_str(), p.reason.as_str())).collect();
    assert_eq!(
        reasons,
        BTreeMap::from([("order-1", "no such customer"), ("order-2", "the handler panicked")])
    );
    let all = gesta_api::ParkedSelection { all: Some(true), ..Default::default() };
    assert_eq!(group.replay(&all).await.expect("replayed"), 2);
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn behind_a_failed_event_its_stream_waits_and_keeps_its_order() {
    let served = Served::open().await;
    let client = served.client(&Tenant::default()).await;
    let group = group(&client).await;
    publish(&client, "order.changed", (0..4).map(|_| "order-1".to_owned())).await;
    let seen = Arc::new(Seen::default());
    let counted = seen.clone();
    let consumer =
        GroupConsumer::new(group, "one").wait(Duration::from_millis(200)).on("*", move |delivered| {
            let seen = counted.clone();
            async move {
                let version = delivered.event.stream_version;
                seen.add(&delivered.stream_id, version);
                if (version, delivered.delivery_count) == (2, 1) { Err("not yet".into()) } else { Ok(()) }
            }
        });
    let consumed = consumer.run(seen.at_least(5)).await.expect("a good end");
    assert_eq!((consumed.handled, consumed.failed, consumed.lost), (4, 1, 0));
    let versions: Vec<u64> = seen.positions.lock().expect("no panic").iter().map(|(_, v)| *v).collect();
    assert_eq!(versions, [1, 2, 2, 3, 4]);
    served.stop().await;
}

#[tokio::test]
async fn a_group_is_made_shown_listed_and_removed() {
    let served = Served::open().await;
    let client = served.client(&Tenant::default()).await;
    let group = group(&client).await;
    publish(&client, "order.changed", ["order-1".to_owned()]).await;
    let pulled = group.pull("one", 10, Duration::from_secs(5)).await.expect("a delivery");
    assert_eq!((pulled.len(), pulled[0].delivery_count), (1, 1));
    assert_eq!(group.ack([pulled[0].delivery_id.clone()]).await.expect("acknowledged"), 1);
    assert_eq!(group.info().await.expect("shown").position, pulled[0].event.position);
    assert_eq!(Group::list(&client).await.expect("listed").len(), 1);
    group.remove().await.expect("removed");
    let gone = group.pull("one", 10, Duration::ZERO).await.expect_err("it is gone");
    assert_eq!(gone.status().map(|status| status.as_u16()), Some(404));
    served.stop().await;
}
