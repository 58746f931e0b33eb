//! Subscribing, pulling, acknowledging, parking.

use serde_json::{Value, json};

use crate::support::Server;

const GROUP: &str = "/api/v1/groups/g";

async fn with_group(more: Value) -> Server {
    let service = Server::new().await;
    let mut body = json!({"name": "g", "start": "beginning", "retry_delays_ms": [0, 0]});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    service.post("/api/v1/groups", body).await.ok();
    service
}

async fn pull(service: &Server, consumer: &str, max: u32) -> Vec<Value> {
    let body = json!({"consumer": consumer, "max": max, "wait_ms": 2_000});
    let reply = service.post(&format!("{GROUP}/pull"), body).await.ok();
    reply["deliveries"].as_array().unwrap().clone()
}

fn ids(deliveries: &[Value]) -> Value {
    deliveries.iter().map(|delivery| delivery["delivery_id"].clone()).collect()
}

#[tokio::test]
async fn a_subscription_gets_what_it_asked_for_as_the_services_envelope() {
    let service = Server::new().await;
    let subscribe = json!({"name": "dash", "event_types": ["sample.*"], "consumer_group": "g",
        "consumer_name": "c1", "auto_ack": false, "read_latest": true, "source_services": ["test"],
        "metadata_filters": null, "subject_patterns": ["sample-*"], "priority_range": [1, 3], "batch_size": 1});
    let subscribed = service.post("/api/v1/events/subscribe", &subscribe).await.ok();
    assert_eq!(
        subscribed,
        json!({"status": "subscribed", "subscription_name": "dash", "event_types": ["sample.*"], "group": "g"})
    );
    service.publish("sample.created", "sample-1").await;
    service.publish("order.placed", "sample-1").await;
    service.publish("sample.stored", "other-1").await;
    service.publish("sample.stored", "sample-1").await;

    let pulled = service.post(&format!("{GROUP}/pull"), json!({"consumer": "c1"})).await.ok();
    let deliveries = pulled["deliveries"].as_array().unwrap();
    assert_eq!(deliveries.len(), 1, "batch_size is what a pull brings that does not say");
    let delivery = &deliveries[0];
    assert_eq!(delivery["subscription"], "dash");
    assert_eq!((&delivery["delivery_count"], &delivery["stream_id"]), (&1.into(), &"sample-1".into()));
    let event = &delivery["event"];
    for field in [
        "id",
        "event_type",
        "source_service",
        "version",
        "timestamp",
        "correlation_id",
        "payload",
        "metadata",
        "subject",
        "priority",
    ] {
        assert!(event.get(field).is_some(), "{field} is missing: {event}");
    }
    assert_eq!((&event["version"], &event["priority"]), (&"1.0".into(), &3.into()));

    let acked = service.post(&format!("{GROUP}/ack"), json!({"delivery_ids": ids(deliveries)})).await.ok();
    assert_eq!(acked, json!({"acked": 1}));
    let next = service.post(&format!("{GROUP}/pull"), json!({"consumer": "c1"})).await.ok();
    assert_eq!(next["deliveries"][0]["event"]["event_type"], "sample.stored");
    assert_eq!(service.get("/api/v1/stats").await.ok()["events_consumed"], 1);
}

#[tokio::test]
async fn subscribing_again_joins_and_another_filter_is_a_409() {
    let service = Server::new().await;
    let first = service.post("/api/v1/events/subscribe", json!({})).await.ok();
    assert_eq!(
        first,
        json!({"status": "subscribed", "subscription_name": "default", "event_types": ["*"], "group": "default-group"})
    );
    service.publish("x", "a-1").await;
    let again = json!({"consumer_name": "two", "read_latest": false, "batch_size": 3, "event_types": []});
    service.post("/api/v1/events/subscribe", again).await.ok();
    let other = json!({"event_types": ["sample.*"]});
    service.post("/api/v1/events/subscribe", other).await.refused(409, "group_exists");
    let manual = json!({"auto_ack": false});
    service.post("/api/v1/events/subscribe", manual).await.refused(409, "group_exists");
}

#[tokio::test]
async fn a_subscription_honours_or_refuses_every_field() {
    let service = Server::new().await;
    for bad in [
        json!({"batch_size": 0}),
        json!({"batch_size": 501}),
        json!({"timeout_ms": 60_001}),
        json!({"priority_range": [3, 1]}),
        json!({"priority_range": [0, 5]}),
        json!({"priority_range": [1]}),
        json!({"consumer_name": ""}),
        json!({"consumer_group": "a b"}),
        json!({"event_types": "x"}),
        json!({"max_retries": 3}),
    ] {
        service.post("/api/v1/events/subscribe", bad).await.refused(422, "invalid_field");
    }
    let callback = json!({"callback_url": "https://example.org/hook"});
    service.post("/api/v1/events/subscribe", callback).await.refused(422, "unsupported");
    assert_eq!(service.get("/api/v1/groups").await.ok(), json!({"groups": []}));
}

#[tokio::test]
async fn an_event_nobody_handles_is_parked_and_can_be_replayed_or_discarded() {
    let service = with_group(json!({})).await;
    service.publish("x", "a-1").await;
    service.publish("y", "a-1").await;
    for attempt in 1..=2 {
        let deliveries = pull(&service, "c", 1).await;
        assert_eq!(deliveries[0]["delivery_count"], attempt);
        let nack = json!({"delivery_ids": ids(&deliveries), "reason": "no luck"});
        assert_eq!(service.post(&format!("{GROUP}/nack"), nack).await.ok(), json!({"nacked": 1}));
    }
    let parked = service.get(&format!("{GROUP}/parked")).await.ok();
    assert_eq!(parked["parked"][0]["reason"], "no luck");
    assert_eq!((&parked["parked"][0]["attempts"], &parked["parked"][0]["held"]), (&2.into(), &1.into()));
    let recent = service.get("/api/events/recent").await.ok();
    let statuses: Vec<_> = recent["events"].as_array().unwrap().iter().map(|e| e["status"].clone()).collect();
    assert_eq!(statuses, ["pending", "failed"]);
    assert_eq!(service.get("/api/v1/stats").await.ok()["events_failed"], 2);

    let replayed = service.post(&format!("{GROUP}/parked/replay"), json!({"all": true})).await.ok();
    assert_eq!(replayed, json!({"count": 1}));
    let deliveries = pull(&service, "c", 1).await;
    assert_eq!(deliveries[0]["event"]["event_type"], "x");
    let nack = json!({"delivery_ids": ids(&deliveries), "park": true});
    service.post(&format!("{GROUP}/nack"), nack).await.ok();

    let event_ids = json!([deliveries[0]["event"]["id"]]);
    let silent = json!({"event_ids": event_ids});
    service.post(&format!("{GROUP}/parked/discard"), &silent).await.refused(422, "invalid_field");
    let discard = json!({"event_ids": event_ids, "reason": "known"});
    assert_eq!(service.post(&format!("{GROUP}/parked/discard"), discard).await.ok(), json!({"count": 1}));
    let rest = pull(&service, "c", 10).await;
    assert_eq!(rest[0]["event"]["event_type"], "y", "what was held goes on");
    service.post(&format!("{GROUP}/ack"), json!({"delivery_ids": ids(&rest)})).await.ok();
    for bad in [
        json!({}),
        json!({"all": false}),
        json!({"all": true, "event_ids": event_ids}),
        json!({"event_ids": []}),
    ] {
        service.post(&format!("{GROUP}/parked/replay"), bad).await.refused(422, "invalid_field");
    }
}

#[tokio::test]
async fn a_stale_ack_is_a_409_and_a_repeated_one_is_not() {
    let service = with_group(json!({})).await;
    service.publish("x", "a-1").await;
    let deliveries = pull(&service, "c", 1).await;
    let ack = json!({"delivery_ids": ids(&deliveries)});
    assert_eq!(service.post(&format!("{GROUP}/ack"), &ack).await.ok(), json!({"acked": 1}));
    assert_eq!(service.post(&format!("{GROUP}/ack"), &ack).await.ok(), json!({"acked": 0}));
    let rubbish = json!({"delivery_ids": ["rubbish"]});
    service.post(&format!("{GROUP}/ack"), rubbish).await.refused(409, "lease_lost");

    service.publish("y", "a-1").await;
    let first = pull(&service, "slow", 1).await;
    service.post(&format!("{GROUP}/nack"), json!({"delivery_ids": ids(&first)})).await.ok();
    let second = pull(&service, "quick", 1).await;
    assert_eq!(second[0]["delivery_count"], 2);
    let late = json!({"delivery_ids": ids(&first)});
    service.post(&format!("{GROUP}/ack"), late).await.refused(409, "lease_lost");
    service.post(&format!("{GROUP}/ack"), json!({"delivery_ids": ids(&second)})).await.ok();
}

#[tokio::test]
async fn groups_are_made_listed_shown_and_removed() {
    let service =
        with_group(json!({"filter": {"types": ["x"], "metadata": {"site": "north"}}, "lease_ms": 5000}))
            .await;
    let shown = service.get(GROUP).await.ok();
    assert_eq!(service.get("/api/v1/groups").await.ok(), json!({"groups": [shown]}));
    assert_eq!(shown["filter"], json!({"types": ["x"], "metadata": {"site": "north"}}));
    assert_eq!((&shown["lease_ms"], &shown["auto_ack"]), (&5000.into(), &false.into()));
    let same = json!({"name": "g", "start": "beginning", "retry_delays_ms": [0, 0], "lease_ms": 5000,
        "filter": {"types": ["x"], "metadata": {"site": "north"}}});
    service.post("/api/v1/groups", same).await.ok();
    service.post("/api/v1/groups", json!({"name": "g"})).await.refused(409, "group_exists");
    for bad in [
        json!({}),
        json!({"name": "a b"}),
        json!({"name": "h", "lease_ms": 1}),
        json!({"name": "h", "retry_delays_ms": []}),
        json!({"name": "h", "max_in_flight": 0}),
        json!({"name": "h", "filter": {"tenant": "other"}}),
        json!({"name": "h", "filter": {"system": true}}),
    ] {
        service.post("/api/v1/groups", bad).await.refused(422, "invalid_field");
    }
    assert_eq!(service.delete(GROUP).await.status, 204);
    service.get(GROUP).await.refused(404, "group_not_found");
    service.delete(GROUP).await.refused(404, "group_not_found");
    service.get("/api/v1/groups/a%20b").await.refused(404, "group_not_found");
    service.post(&format!("{GROUP}/pull"), json!({"consumer": "c"})).await.refused(404, "group_not_found");
}

#[tokio::test]
async fn pulls_beyond_the_limits_are_refused() {
    let service = with_group(json!({})).await;
    for bad in [
        json!({}),
        json!({"consumer": ""}),
        json!({"consumer": "c", "max": 0}),
        json!({"consumer": "c", "max": 501}),
        json!({"consumer": "c", "wait_ms": 60_001}),
        json!({"consumer": "c", "batch_size": 1}),
    ] {
        service.post(&format!("{GROUP}/pull"), bad).await.refused(422, "invalid_field");
    }
    service.post(&format!("{GROUP}/ack"), json!({"delivery_ids": []})).await.refused(422, "invalid_field");
    let none = service.post(&format!("{GROUP}/pull"), json!({"consumer": "c", "wait_ms": 0})).await.ok();
    assert_eq!(none, json!({"deliveries": []}));
}

#[tokio::test]
async fn what_a_subscription_asked_is_gone_with_its_group() {
    let service = Server::new().await;
    let subscribe = json!({"consumer_group": "g", "name": "old", "batch_size": 1});
    service.post("/api/v1/events/subscribe", &subscribe).await.ok();
    service.delete(GROUP).await;
    service.post("/api/v1/groups", json!({"name": "g", "start": "beginning"})).await.ok();
    service.publish("x", "a-1").await;
    service.publish("x", "b-1").await;
    let deliveries =
        service.post(&format!("{GROUP}/pull"), json!({"consumer": "default-consumer"})).await.ok();
    assert_eq!(deliveries["deliveries"].as_array().unwrap().len(), 2);
    assert_eq!(deliveries["deliveries"][0]["subscription"], "default");
}
