//! The event service as its callers of both generations use it.

use gesta_client::{Client, EventServiceClient};
use gesta_core::{Clock, SystemClock, Tenant};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::served::Served;

async fn payload(client: &Client, id: Uuid) -> (gesta_core::Metadata, Value) {
    let event: gesta_api::Event<'static> =
        client.get(&format!("/api/v1/events/{id}")).await.expect("the event");
    let metadata = gesta_core::Metadata::from_json(event.metadata.get().as_bytes()).expect("metadata");
    let data = event.data.expect("JSON");
    (metadata, serde_json::from_str(data.get()).expect("JSON"))
}

#[tokio::test]
async fn the_first_generation_publishes_as_it_always_did() {
    let served = Served::open().await;
    let client = served.client(&Tenant::default()).await;
    let events =
        EventServiceClient::new(&format!("{}/", served.url().await), "sample-service").expect("a url");
    assert!(events.health_check().await);
    let id = Uuid::from_u128(7);

    let created =
        events.publish_sample_created(id, "SAM-20240618-001", "DNA", id, id).await.expect("created");
    let (metadata, data) = payload(&client, created.event_id).await;
    assert_eq!((metadata.subject, metadata.priority), (None, None));
    assert_eq!(metadata.source.as_deref(), Some("sample-service"));
    assert_eq!((&data["barcode"], data["created_at"].is_string()), (&json!("SAM-20240618-001"), true));
    let mut keys: Vec<_> = data.as_object().expect("an object").keys().collect();
    keys.sort_unstable();
    assert_eq!(keys, ["barcode", "created_at", "lab_id", "sample_id", "sample_type", "submitter_id"]);

    let changed = events
        .publish_sample_status_changed(id, "SAM-20240618-001", "pending", "validated", id)
        .await
        .expect("changed");
    assert_eq!(changed.stream_id.as_str(), format!("sample-{id}"));
    let (metadata, data) = payload(&client, changed.event_id).await;
    assert_eq!((metadata.priority().get(), &data["new_status"]), (2, &json!("validated")));

    let entered = events.publish_user_logged_in(id, "ada", "s1", None).await.expect("logged in");
    assert_eq!(payload(&client, entered.event_id).await.1["ip_address"], Value::Null);

    let alert = events.publish_temperature_alert(id, "Zone A", -72.5, -80.0, "t1").await.expect("alert");
    assert_eq!(payload(&client, alert.event_id).await.0.priority().get(), 1);
    assert_eq!(events.stats().await.expect("stats").events_published, 4);
    served.stop().await;
}

#[tokio::test]
async fn the_second_generation_publishes_as_it_always_did() {
    let served = Served::open().await;
    let client = served.client(&Tenant::default()).await;
    let events = EventServiceClient::new(&served.url().await, "sample-service").expect("a url");

    let created = events.publish_sample_created_v2("42", &json!({"volume": 1.5})).await.expect("created");
    assert_eq!(created.stream_id.as_str(), "sample-42");
    let (metadata, data) = payload(&client, created.event_id).await;
    assert_eq!((metadata.priority().get(), data), (2, json!({"volume": 1.5})));

    let changed =
        events.publish_sample_status_changed_v2("42", "pending", "validated", None).await.expect("changed");
    assert_eq!(
        (changed.version, payload(&client, changed.event_id).await.1["metadata"].clone()),
        (2, Value::Null)
    );

    let entered = events.publish_user_logged_in_v2("u1", "ada", SystemClock.now()).await.expect("logged in");
    let (metadata, data) = payload(&client, entered.event_id).await;
    assert_eq!((metadata.subject.as_deref(), &data["source_ip"]), (Some("user-u1"), &json!("unknown")));

    let alert =
        events.publish_temperature_alert_v2("freezer-3", -70.0, -75.0, "critical").await.expect("alert");
    assert_eq!(payload(&client, alert.event_id).await.1["alert_level"], json!("critical"));
    served.stop().await;
}

#[tokio::test]
async fn a_refusal_carries_status_and_body() {
    let served = Served::open().await;
    let events = EventServiceClient::new(&served.url().await, "").expect("a url");
    let error = events.publish("x", &json!({})).await.expect_err("no source");
    let refusal = error.refusal().expect("an answer");
    assert_eq!((refusal.status.as_u16(), refusal.code()), (422, Some(gesta_api::Code::InvalidField)));
    assert!(!refusal.body.is_empty());
    served.stop().await;
}

#[tokio::test]
async fn a_published_batch_is_in_order_and_sent_again_adds_nothing() {
    let served = Served::open().await;
    let events = EventServiceClient::new(&served.url().await, "lab").expect("a url");
    let request = |n: u32| events.request("x", &n).expect("a request");
    let requests: Vec<_> = (0..5).map(request).collect();
    let first = events.send_all(requests.clone()).await.expect("published");
    let again = events.send_all(requests).await.expect("published before");
    assert_eq!(first, again);
    assert_eq!(first.iter().map(|p| p.position).collect::<Vec<_>>(), [1, 2, 3, 4, 5]);
    served.stop().await;
}
