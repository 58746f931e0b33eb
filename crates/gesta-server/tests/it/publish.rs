//! Publishing.

use serde_json::{Value, json};

use crate::support::Server;

#[tokio::test]
async fn a_published_event_is_read_back_to_the_letter() {
    let service = Server::new().await;
    let body = r#"{"event_type":"sample.created","source_service":"lab","payload":{"b":1.0, "a":[ 1e2 ]},
        "subject":"sample-42","priority":2,"metadata":{"site":"north","user_id":"u7"}}"#;
    let published = service.post("/api/v1/events/publish", body).await.ok();
    assert_eq!(published["stream_id"], "sample-42");
    let id = published["event_id"].as_str().unwrap();
    let event = service.get(&format!("/api/v1/events/{id}")).await;
    assert!(event.body.contains(r#""data":{"b":1.0, "a":[ 1e2 ]}"#), "{}", event.body);
    let metadata = &event.ok()["metadata"];
    assert_eq!(
        metadata,
        &json!({"correlation_id": id, "user_id": "u7", "source": "lab", "subject": "sample-42", "priority": 2,
            "site": "north"})
    );
}

#[tokio::test]
async fn the_same_event_published_again_is_there_once() {
    let service = Server::new().await;
    let id = uuid::Uuid::now_v7();
    let body =
        |payload: u32| json!({"event_type": "x", "source_service": "s", "payload": payload, "event_id": id});
    let first = service.post("/api/v1/events/publish", body(1)).await.ok();
    assert_eq!(service.post("/api/v1/events/publish", body(1)).await.ok(), first);
    let problem = service.post("/api/v1/events/publish", body(2)).await.refused(409, "event_id_taken");
    assert_eq!(problem["event_ids"][0], id.to_string());
    assert_eq!(service.get("/api/v1/log").await.ok()["events"].as_array().unwrap().len(), 1);
    assert_eq!(service.get("/api/v1/stats").await.ok()["events_published"], 1, "a repeat counts nothing");
}

#[tokio::test]
async fn a_batch_is_published_whole_or_not_at_all() {
    let service = Server::new().await;
    let event =
        |subject: &str| json!({"event_type": "x", "source_service": "s", "payload": 1, "subject": subject});
    let body = json!({"events": [event("a-1"), event("b-1"), event("a-1")]});
    let reply = service.post("/api/v1/events/publish/batch", body).await.ok();
    let places: Vec<_> = reply["events"].as_array().unwrap().iter().collect();
    let of = |field: &str| places.iter().map(|place| place[field].clone()).collect::<Vec<_>>();
    assert_eq!(of("stream_id"), ["a-1", "b-1", "a-1"]);
    assert_eq!(of("version"), [1, 1, 2]);
    assert_eq!(of("position"), [1, 2, 3]);

    let mut bad = event("a-1");
    bad["priority"] = 6.into();
    let refused = service.post("/api/v1/events/publish/batch", json!({"events": [event("a-1"), bad]})).await;
    refused.refused(422, "invalid_field");
    let many: Vec<_> = (0..501).map(|_| event("a-1")).collect();
    let refused = service.post("/api/v1/events/publish/batch", json!({"events": many})).await;
    refused.refused(413, "batch_too_large");
    service.post("/api/v1/events/publish/batch", json!({"events": []})).await.refused(422, "invalid_field");
    assert_eq!(service.get("/api/v1/log/head").await.ok()["position"], 3, "nothing was half-stored");
}

#[tokio::test]
async fn the_alias_thinks_in_aggregates_and_answers_202() {
    let service = Server::new().await;
    let body = json!({"event_type": "BedAssigned", "aggregate_id": "7", "aggregate_type": "BedAssignment",
        "data": {"bed": 3}, "metadata": {"source_service": "ward", "correlation_id": "c"}});
    let reply = service.post("/api/v1/events", body).await;
    assert_eq!(reply.status, 202);
    let accepted = reply.ok();
    assert_eq!(accepted["status"], "accepted");
    assert!(!accepted["timestamp"].is_null());
    let page = service.get("/api/v1/streams/bed_assignment-7").await.ok();
    assert_eq!(page["events"][0]["metadata"]["source"], "ward");
    let bad =
        json!({"event_type": "x", "aggregate_id": "a b", "aggregate_type": "T", "data": 1, "metadata": {}});
    service.post("/api/v1/events", bad).await.refused(422, "invalid_field");
}

#[tokio::test]
async fn a_relaxed_publish_says_so() {
    let service = Server::new().await;
    let body = json!({"event_type": "x", "source_service": "s", "payload": 1, "durability": "relaxed"});
    let reply = service.post("/api/v1/events/publish", body).await.ok();
    assert_eq!(reply["durability"], "relaxed");
}

#[tokio::test]
async fn the_trace_of_the_request_is_kept() {
    let service = Server::new().await;
    let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let traced = service.header("traceparent", parent).header("tracestate", "v=1");
    let id = traced.publish("x", "a-1").await["event_id"].as_str().unwrap().to_owned();
    let event = service.get(&format!("/api/v1/events/{id}")).await.ok();
    assert_eq!(event["metadata"]["traceparent"], parent);
    assert_eq!(event["metadata"]["tracestate"], "v=1");
}

#[tokio::test]
async fn a_schema_evolves_by_versions_that_are_stored_shown_and_asked_for() {
    let server = Server::new().await;
    let publish = |version: Option<&str>, payload: Value| json!({"event_type": "sample.created", "source_service": "lab", "version": version, "payload": payload});
    let path = "/api/v1/events/publish";
    server.post(path, publish(None, json!({"barcode": "1"}))).await.ok();
    server.post(path, publish(Some("2.0"), json!({"barcode": "2", "volume": 3}))).await.ok();
    server.post(path, publish(Some("2.1"), json!({}))).await.refused(422, "invalid_field");

    let group = json!({"consumer_group": "new", "schema_version_range": [2, 2], "read_latest": false});
    server.post("/api/v1/events/subscribe", group).await.ok();
    let pull = json!({"consumer": "c", "wait_ms": 0});
    let pulled = server.post("/api/v1/groups/new/pull", pull).await.ok();
    let versions: Vec<_> =
        pulled["deliveries"].as_array().unwrap().iter().map(|d| d["event"]["version"].clone()).collect();
    assert_eq!(versions, ["2.0"]);

    let shown = |page: Value| -> Vec<_> {
        page["events"].as_array().unwrap().iter().map(|event| event["schema_version"].clone()).collect()
    };
    assert_eq!(shown(server.get("/api/v1/log").await.ok()), [1, 2]);
    assert_eq!(shown(server.get("/api/v1/log?schema_version_max=1").await.ok()), [1]);
    assert_eq!(shown(server.get("/api/v1/log?schema_version_min=2").await.ok()), [2]);
    let upside_down = json!({"consumer_group": "none", "schema_version_range": [2, 1]});
    server.post("/api/v1/events/subscribe", upside_down).await.refused(422, "invalid_field");
}
