//! Subscriptions that outlive their connections.

use std::time::Duration;

use gesta_client::{Client, EventServiceClient, HttpStore, Subscription};
use gesta_conformance::fault_proxy::{Fault, FaultProxy, Side};
use gesta_core::{
    AppendBatch, EventStore, ExpectedVersion, Filter, NewEvent, RecordedEvent, Tenant, Version,
};
use serde_json::json;

use crate::served::{PATIENCE, Served};

async fn next(subscription: &mut Subscription) -> RecordedEvent {
    tokio::time::timeout(PATIENCE, subscription.next()).await.expect("it comes in time").expect("an event")
}

async fn publish(client: &Client, count: u64) {
    let events = EventServiceClient::of(client.clone(), "test");
    let request = |n| events.request("x.happened", &json!({ "n": n })).expect("a request");
    events.send_all((1..=count).map(request).collect()).await.expect("published");
}

#[tokio::test]
async fn first_what_is_there_then_what_comes() {
    let served = Served::open().await;
    let client = served.client(&Tenant::default()).await;
    publish(&client, 3).await;
    let mut subscription = Subscription::of(client.clone(), &Filter::of(Tenant::default()));
    for position in 1..=3 {
        assert_eq!(next(&mut subscription).await.position.get(), position);
    }
    publish(&client, 2).await;
    for position in 4..=5 {
        assert_eq!(next(&mut subscription).await.position.get(), position);
    }
    served.stop().await;
}

#[tokio::test]
async fn from_the_head_nothing_old_comes_and_a_cursor_goes_on() {
    let served = Served::open().await;
    let client = served.client(&Tenant::default()).await;
    publish(&client, 3).await;
    let everything = Filter::of(Tenant::default());
    let mut subscription = Subscription::of(client.clone(), &everything).from_head();
    // The head is fixed by the first call, which waits, and is dropped here without harm.
    let waiting = tokio::time::timeout(Duration::from_millis(500), subscription.next()).await;
    assert!(waiting.is_err(), "nothing has happened yet");
    publish(&client, 2).await;
    assert_eq!(next(&mut subscription).await.position.get(), 4);
    let cursor = subscription.cursor().expect("an event came").to_owned();
    drop(subscription);
    let mut later = Subscription::of(client, &everything).after(cursor);
    assert_eq!(next(&mut later).await.position.get(), 5);
    served.stop().await;
}

#[tokio::test]
async fn a_stream_is_followed_behind_a_version() {
    let served = Served::open().await;
    let client = served.client(&Tenant::default()).await;
    let store = HttpStore::connect(client.clone()).await.expect("a server");
    let stream: gesta_core::StreamId = "order-1".parse().expect("legal");
    let append = async |n: u32| {
        let event = NewEvent::json("order.changed", &n).expect("JSON");
        store.append(AppendBatch::to(stream.clone(), ExpectedVersion::Any, [event])).await.expect("appended");
    };
    append(1).await;
    append(2).await;
    let mut subscription = Subscription::of_stream(client, &stream, Version::new(1));
    assert_eq!(next(&mut subscription).await.version, Version::new(2));
    append(3).await;
    assert_eq!(next(&mut subscription).await.version, Version::new(3));
    served.stop().await;
}

#[tokio::test]
async fn a_cut_connection_leaves_nothing_out_and_repeats_nothing() {
    let served = Served::open().await;
    let direct = served.client(&Tenant::default()).await;
    let upstream = served.url().await.trim_start_matches("http://").parse().expect("an address");
    let proxy = FaultProxy::before(upstream, 7).await.expect("a proxy");
    let client = Client::new(&format!("http://{}", proxy.address())).expect("a url");
    publish(&direct, 200).await;
    // Each connection breaks within an event, after some 60 of them.
    proxy.set(Side::Reply, [Fault::CutAfter(30_000)]);
    let mut subscription = Subscription::of(client, &Filter::of(Tenant::default()));
    for position in 1..=200 {
        assert_eq!(next(&mut subscription).await.position.get(), position);
    }
    proxy.heal();
    proxy.reset();
    publish(&direct, 3).await;
    for position in 201..=203 {
        assert_eq!(next(&mut subscription).await.position.get(), position);
    }
    assert!(proxy.connections() >= 3, "{} connections", proxy.connections());
    served.stop().await;
}

#[tokio::test]
async fn a_cursor_that_no_server_gave_is_an_error_and_not_a_loop() {
    let served = Served::open().await;
    let client = served.client(&Tenant::default()).await;
    let mut subscription = Subscription::of(client, &Filter::of(Tenant::default())).after("garbage");
    let refused = tokio::time::timeout(PATIENCE, subscription.next()).await.expect("it ends");
    assert_eq!(refused.expect_err("garbage").status().map(|status| status.as_u16()), Some(400));
    served.stop().await;
}
