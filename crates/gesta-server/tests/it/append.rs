//! Appending.

use serde_json::{Value, json};

use crate::support::Server;

fn one() -> Value {
    json!({"events": [{"type": "x", "data": 1}]})
}

#[tokio::test]
async fn an_append_answers_with_places_and_the_new_version() {
    let service = Server::new().await;
    let body = json!({"events": [{"type": "a", "data": {}}, {"type": "b", "data_base64": "AAE=",
        "content_type": "application/octet-stream", "schema_version": 2, "metadata": {"source": "s"}}],
        "expected_version": "no_stream"});
    let reply = service.post("/api/v1/streams/order-1", body).await;
    assert_eq!(reply.etag(), "\"2\"");
    let appended = reply.ok();
    assert_eq!(
        (&appended["version"], &appended["position"], &appended["repeated"]),
        (&2.into(), &2.into(), &false.into())
    );
    assert_eq!(appended["events"].as_array().unwrap().len(), 2);
    let page = service.get("/api/v1/streams/order-1").await.ok();
    assert_eq!(page["events"][1]["data_base64"], "AAE=");
    assert_eq!(page["events"][1]["schema_version"], 2);
}

#[tokio::test]
async fn another_version_is_a_412_that_names_the_current_one() {
    let service = Server::new().await;
    service.post("/api/v1/streams/order-1", one()).await.ok();
    let mut body = one();
    for expected in [json!(0), json!(7), json!("no_stream")] {
        body["expected_version"] = expected.clone();
        let problem = service.post("/api/v1/streams/order-1", &body).await.refused(412, "version_conflict");
        assert_eq!(problem["current_version"], 1);
        assert_eq!(problem["stream"], "order-1");
        assert!(!problem["expected_version"].is_null());
    }
    for expected in [json!(1), json!("any"), json!("exists"), Value::Null] {
        body["expected_version"] = expected;
        service.post("/api/v1/streams/order-1", &body).await.ok();
    }
    body["expected_version"] = json!("exists");
    service.post("/api/v1/streams/order-2", &body).await.refused(412, "version_conflict");
}

#[tokio::test]
async fn headers_carry_the_expected_version_too() {
    let service = Server::new().await;
    let path = "/api/v1/streams/order-1";
    service.header("if-match", "*").post(path, one()).await.refused(412, "version_conflict");
    service.header("if-none-match", "*").post(path, one()).await.ok();
    service.header("if-none-match", "*").post(path, one()).await.refused(412, "version_conflict");
    service.header("if-match", "\"1\"").post(path, one()).await.ok();
    service.header("if-match", "\"1\"").post(path, one()).await.refused(412, "version_conflict");
    let mut body = one();
    body["expected_version"] = 2.into();
    service.header("if-match", "\"2\"").post(path, &body).await.ok();
    service.header("if-match", "\"3\"").post(path, &body).await.refused(422, "invalid_field");
    for bad in ["3", "\"three\"", "W/\"3\"", "\"1\", \"2\""] {
        service.header("if-match", bad).post(path, one()).await.refused(400, "malformed_request");
    }
}

#[tokio::test]
async fn a_retry_comes_before_the_version_check() {
    let service = Server::new().await;
    let body =
        json!({"events": [{"id": uuid::Uuid::now_v7(), "type": "x", "data": 1}], "expected_version": 0});
    let first = service.post("/api/v1/streams/order-1", &body).await.ok();
    let again = service.post("/api/v1/streams/order-1", &body).await.ok();
    assert_eq!(again["repeated"], true);
    assert_eq!(again["events"], first["events"]);
}

#[tokio::test]
async fn several_streams_are_appended_to_all_or_none() {
    let service = Server::new().await;
    let batch = |second: Value| {
        json!({"appends": [
            {"stream": "a-1", "expected_version": "any", "events": [{"type": "x", "data": 1}]},
            {"stream": "b-1", "expected_version": second, "events": [{"type": "x", "data": 1}]},
            {"stream": "a-1", "events": [{"type": "y", "data": 1}]},
        ]})
    };
    let reply = service.post("/api/v1/append", batch(json!(0))).await.ok();
    let versions: Vec<_> = reply["events"].as_array().unwrap().iter().map(|e| e["version"].clone()).collect();
    assert_eq!(versions, [1, 1, 2]);
    assert_eq!(reply["position"], 3);
    service.post("/api/v1/append", batch(json!(0))).await.refused(412, "version_conflict");
    assert_eq!(service.get("/api/v1/log/head").await.ok()["position"], 3, "nothing was half-stored");
}

#[tokio::test]
async fn a_batch_that_is_partly_known_is_refused_with_the_known_ids() {
    let service = Server::new().await;
    let known = uuid::Uuid::now_v7();
    let event = |id: uuid::Uuid| json!({"id": id, "type": "x", "data": 1});
    service.post("/api/v1/streams/a-1", json!({"events": [event(known)]})).await.ok();
    let both = json!({"events": [event(known), event(uuid::Uuid::now_v7())]});
    let problem = service.post("/api/v1/streams/a-1", both).await.refused(409, "batch_partly_known");
    assert_eq!(problem["event_ids"], json!([known]));
}

#[tokio::test]
async fn nobody_appends_to_gestas_own_streams() {
    let service = Server::new().await;
    service.post("/api/v1/streams/$group-x", one()).await.refused(403, "system_stream");
    let batch = json!({"appends": [{"stream": "$x-1", "events": [{"type": "x", "data": 1}]}]});
    service.post("/api/v1/append", batch).await.refused(403, "system_stream");
    let publish = json!({"event_type": "x", "source_service": "s", "payload": 1, "subject": "$x-1"});
    service.post("/api/v1/events/publish", publish).await.refused(403, "system_stream");
    assert_eq!(service.get("/api/v1/log/head").await.ok()["position"], 0);
}
