//! `Idempotency-Key`.

use serde_json::json;

use crate::support::Server;

fn event(payload: u32) -> serde_json::Value {
    json!({"event_type": "x", "source_service": "s", "payload": payload})
}

#[tokio::test]
async fn a_key_makes_a_retry_safe_on_every_way_in() {
    let service = Server::new().await;
    for (path, body) in [
        ("/api/v1/events/publish", event(1)),
        ("/api/v1/events/publish/batch", json!({"events": [event(1), event(2)]})),
        ("/api/v1/events", json!({"event_type": "x", "aggregate_id": "1", "aggregate_type": "t", "data": 1})),
        ("/api/v1/streams/a-1", json!({"events": [{"type": "x", "data": 1}]})),
        ("/api/v1/append", json!({"appends": [{"stream": "a-1", "events": [{"type": "x", "data": 1}]}]})),
    ] {
        let keyed = service.header("idempotency-key", path);
        let first = keyed.post(path, &body).await.ok();
        let head = service.get("/api/v1/log/head").await.ok()["position"].clone();
        let mut again = keyed.post(path, &body).await.ok();
        if first.get("repeated").is_some() {
            assert_eq!(again["repeated"], true);
            again["repeated"] = false.into();
        }
        assert_eq!(again, first, "{path}");
        assert_eq!(service.get("/api/v1/log/head").await.ok()["position"], head, "{path}");
        let other_tenant = keyed.tenant("other").post(path, &body).await.ok();
        assert_ne!(other_tenant, first, "{path}: a key is a tenant's own");
    }
}

#[tokio::test]
async fn a_key_of_another_body_is_refused() {
    let service = Server::new().await;
    let keyed = service.header("idempotency-key", "k");
    keyed.post("/api/v1/events/publish/batch", json!({"events": [event(1), event(2)]})).await.ok();
    for other in [
        json!({"events": [event(1), event(3)]}),
        json!({"events": [event(1), event(2), event(3)]}),
        json!({"events": [event(1)]}),
    ] {
        let refused = keyed.post("/api/v1/events/publish/batch", &other).await;
        refused.refused(422, "idempotency_key_reused");
    }
    assert_eq!(service.get("/api/v1/log/head").await.ok()["position"], 2);
}

#[tokio::test]
async fn a_key_and_ids_together_are_refused() {
    let keyed = Server::new().await.header("idempotency-key", "k");
    let mut body = event(1);
    body["event_id"] = uuid::Uuid::now_v7().to_string().into();
    keyed.post("/api/v1/events/publish", body).await.refused(422, "invalid_field");
}

#[tokio::test]
async fn illegal_keys_are_refused() {
    let service = Server::new().await;
    for key in ["", &"k".repeat(256)] {
        let refused = service.header("idempotency-key", key).post("/api/v1/events/publish", event(1)).await;
        refused.refused(400, "malformed_request");
    }
    let twice = service.header("idempotency-key", "a").header("idempotency-key", "b");
    twice.post("/api/v1/events/publish", event(1)).await.refused(400, "malformed_request");
}
