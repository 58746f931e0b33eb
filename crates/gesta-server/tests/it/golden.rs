//! Bodies as they are on the wire, reviewed like code: what varies from run to run is masked.

use serde_json::{Value, json};

use crate::support::{Reply, Server, masked};

fn shown(reply: &Reply) -> Value {
    let header = |name: &str| reply.headers.get(name).map(|value| value.to_str().unwrap().to_owned());
    let mut shown = json!({"status": reply.status.as_u16(), "body": masked(reply.json())});
    for name in ["content-type", "etag", "retry-after"] {
        if let Some(value) = header(name) {
            shown[name] = value.into();
        }
    }
    shown
}

macro_rules! golden {
    ($name:literal, $reply:expr) => {
        insta::assert_json_snapshot!($name, shown(&$reply.await))
    };
}

#[tokio::test]
async fn replies() {
    let service = Server::new().await;
    let key = service.header("idempotency-key", "k");
    let publish = json!({"event_type": "sample.created", "source_service": "lab", "subject": "sample-1",
        "payload": {"sample_id": "1", "barcode": "SAM-20240618-001", "sample_type": "DNA"}, "priority": 2});
    golden!("publish", key.post("/api/v1/events/publish", &publish));
    golden!("publish_batch", service.post("/api/v1/events/publish/batch", json!({"events": [publish]})));
    let accept = json!({"event_type": "x", "aggregate_id": "1", "aggregate_type": "Order", "data": {}, "metadata": {}});
    golden!("accept", service.post("/api/v1/events", accept));
    let event = json!({"type": "order.placed", "data": {"n": 1}});
    golden!(
        "append",
        service.post("/api/v1/streams/order-2", json!({"events": [event], "expected_version": 0}))
    );
    let batch = json!({"appends": [{"stream": "order-3", "events": [event]}, {"stream": "order-4", "events": [event]}]});
    golden!("append_batch", service.post("/api/v1/append", batch));
    golden!("stream", service.get("/api/v1/streams/order-2"));
    golden!("stream_head", service.get("/api/v1/streams/order-2/head"));
    golden!("streams", service.get("/api/v1/streams?limit=2"));
    golden!("log", service.get("/api/v1/log?limit=1&types=order.*"));
    golden!("log_head", service.get("/api/v1/log/head"));
    golden!("subscribe", service.post("/api/v1/events/subscribe", json!({"read_latest": false})));
    golden!("pull", service.post("/api/v1/groups/default-group/pull", json!({"consumer": "c", "max": 1})));
    golden!("group_create", service.post("/api/v1/groups", json!({"name": "g", "start": "beginning"})));
    golden!("recent", service.get("/api/events/recent?limit=1"));
    golden!("breakers", service.get("/api/gateway/circuit-breakers"));
    golden!("stats", service.get("/api/events/stats"));
}

#[tokio::test]
async fn refusals() {
    let service = Server::new().await;
    let event = json!({"type": "x", "data": 1});
    service.post("/api/v1/streams/order-1", json!({"events": [event]})).await.ok();
    let conflict = json!({"events": [event], "expected_version": 0});
    golden!("version_conflict", service.post("/api/v1/streams/order-1", conflict));
    golden!("malformed_json", service.post("/api/v1/events/publish", "{"));
    let unknown = r#"{"event_type":"x","source_service":"s","payload":1,"colour":"red"}"#;
    golden!("unknown_field", service.post("/api/v1/events/publish", unknown));
    let priority = r#"{"event_type":"x","source_service":"s","payload":1,"priority":6}"#;
    golden!("priority_out_of_range", service.post("/api/v1/events/publish", priority));
    golden!("missing_field", service.post("/api/v1/events/publish", r#"{"event_type":"x"}"#));
    golden!("unsupported_content_type", service.ask(axum::http::Method::POST, "/api/v1/append", "x"));
    golden!("illegal_stream", service.get("/api/v1/streams/nodash"));
    golden!("illegal_cursor", service.get("/api/v1/log?after=rubbish"));
    golden!("illegal_query", service.get("/api/v1/log?limit=5000"));
    golden!("stream_not_found", service.get("/api/v1/streams/order-9/head"));
    golden!("group_not_found", service.get("/api/v1/groups/nobody"));
    golden!("route_not_found", service.get("/api/v3"));
    golden!("method_not_allowed", service.delete("/api/v1/log"));
    golden!("system_stream", service.post("/api/v1/streams/$group-x", json!({"events": [event]})));
    golden!(
        "unsupported",
        service.post("/api/v1/events/subscribe", json!({"callback_url": "https://a.example"}))
    );
    golden!("foreign_host", service.header("origin", "https://evil.example").get("/api/v1/log"));
}
