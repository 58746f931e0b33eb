//! Connections that break where it hurts.

use gesta_client::{Client, EventServiceClient, HttpStore};
use gesta_conformance::fault_proxy::{Door, Fault, FaultProxy, Side};
use gesta_core::{AppendBatch, AppendError, EventStore, ExpectedVersion, NewEvent, Tenant};
use serde_json::json;

use crate::served::Served;

async fn proxied(served: &Served) -> (FaultProxy, Client) {
    let upstream = served.url().await.trim_start_matches("http://").parse().expect("an address");
    let proxy = FaultProxy::before(upstream, 3).await.expect("a proxy");
    let client = Client::new(&format!("http://{}", proxy.address())).expect("a url");
    (proxy, client)
}

fn batch(events: usize) -> AppendBatch {
    let events = (0..events).map(|n| NewEvent::json("x", &n).expect("JSON"));
    AppendBatch::to("order-1".parse().expect("legal"), ExpectedVersion::NoStream, events)
}

#[tokio::test]
async fn an_append_whose_answers_are_all_lost_is_unknown_and_settled_by_sending_it_again() {
    let served = Served::open().await;
    let (proxy, client) = proxied(&served).await;
    let store = HttpStore::connect(client).await.expect("a server");
    proxy.set(Side::Reply, [Fault::cut_before("HTTP/1.1 200")]);
    let batch = batch(3);
    let lost = store.append(batch.clone()).await.expect_err("no answer comes through");
    assert!(matches!(lost, AppendError::Unknown { .. }), "{lost}");
    proxy.heal();
    let settled = store.append(batch).await.expect("the same ids settle it");
    assert!(settled.repeated, "the first try had taken effect");
    assert_eq!(store.head().await.expect("a head").position.get(), 3);
    served.stop().await;
}

#[tokio::test]
async fn a_publish_whose_first_answer_is_lost_publishes_once() {
    let served = Served::open().await;
    let direct = served.client(&Tenant::default()).await;
    let (proxy, client) = proxied(&served).await;
    let events = EventServiceClient::of(client, "lab");
    proxy.set(Side::Reply, [Fault::cut_before("HTTP/1.1 200")]);
    let healing = async {
        // The first connection has been broken once a second one comes.
        while proxy.connections() < 2 {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        proxy.heal();
    };
    let payload = json!({"test": "data"});
    let (published, ()) = tokio::join!(events.publish("sample.created", &payload), healing);
    assert_eq!(published.expect("the second try is answered").position, 1);
    let head = HttpStore::connect(direct).await.expect("a server").head().await.expect("a head");
    assert_eq!(head.position.get(), 1);
    served.stop().await;
}

#[tokio::test]
async fn a_server_that_cannot_be_reached_stores_nothing_and_the_error_says_so() {
    let served = Served::open().await;
    let store = HttpStore::connect(served.client(&Tenant::default()).await).await.expect("a server");
    served.stop().await;
    let error = store.append(batch(1)).await.expect_err("nobody listens");
    assert!(matches!(error, AppendError::Unavailable { .. }), "{error}");
    assert!(error.to_string().contains("gesta serve"), "{error}");
}

#[tokio::test]
async fn a_silent_server_ends_a_call_after_its_time_limit() {
    let served = Served::open().await;
    let (proxy, client) = proxied(&served).await;
    proxy.door(Door::Silence);
    let client = client.with_timeout(std::time::Duration::from_millis(50));
    let error = client.post::<serde_json::Value>("/api/v1/events/publish", &json!({})).await;
    assert!(matches!(error, Err(gesta_client::Error::Unknown { .. })), "{error:?}");
    served.stop().await;
}
