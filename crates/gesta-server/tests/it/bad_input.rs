//! What the routes refuse, and that nothing is half-stored.

use axum::http::Method;
use serde_json::json;

use crate::support::Server;

const PUBLISH: &str = "/api/v1/events/publish";

fn with(more: &str) -> String {
    format!(r#"{{"event_type":"x","source_service":"s","payload":1{more}}}"#)
}

#[tokio::test]
async fn bodies_that_are_no_strict_json_are_400() {
    let service = Server::new().await;
    let deep = with(&format!(r#","metadata":{}1{}"#, "[".repeat(130), "]".repeat(130)));
    let deep_payload = format!(
        r#"{{"event_type":"x","source_service":"s","payload":{}{}}}"#,
        "[".repeat(200),
        "]".repeat(200)
    );
    let bad = [
        "".to_owned(),
        "{".into(),
        "[1,]".into(),
        with("") + "x",
        with(r#","event_type":"y""#),
        with(r#","metadata":{"a":"1","a":"2"}"#),
        r#"{"event_type":"x","source_service":"s","payload":{"a":1,"a":2}}"#.into(),
        r#"{"event_type":"x","source_service":"s","payload":NaN}"#.into(),
        r#"{"event_type":"x","source_service":"s","payload":1e999}"#.into(),
        r#"{"event_type":"x","source_service":"s","payload":"\ud800"}"#.into(),
        "\u{feff}".to_owned() + &with(""),
        deep,
        deep_payload,
    ];
    for body in bad {
        service.post(PUBLISH, &body).await.refused(400, "malformed_json");
    }
    let not_utf8 = service.header("content-type", "application/json");
    not_utf8.ask(Method::POST, PUBLISH, b"\"\xff\"".to_vec()).await.refused(400, "malformed_json");
    assert_eq!(service.get("/api/v1/log/head").await.ok()["position"], 0);
}

#[tokio::test]
async fn bodies_of_the_wrong_shape_are_422() {
    let service = Server::new().await;
    let long = "x".repeat(257);
    for body in [
        "null".to_owned(),
        "[]".into(),
        "{}".into(),
        r#"{"event_type":"x","payload":1}"#.into(),
        r#"{"event_type":7,"source_service":"s","payload":1}"#.into(),
        r#"{"event_type":"","source_service":"s","payload":1}"#.into(),
        r#"{"event_type":"x","source_service":"","payload":1}"#.into(),
        r#"{"event_type":"a\nb","source_service":"s","payload":1}"#.into(),
        format!(r#"{{"event_type":"{long}","source_service":"s","payload":1}}"#),
        with(r#","unknown":1"#),
        with(r#","priority":0"#),
        with(r#","priority":6"#),
        with(r#","priority":2.5"#),
        with(r#","priority":"2""#),
        with(r#","event_id":"x""#),
        with(r#","correlation_id":"x""#),
        with(r#","metadata":[]"#),
        with(r#","metadata":{"a":1}"#),
        with(r#","durability":"eventually""#),
        with(r#","tenant":"other""#),
    ] {
        service.post(PUBLISH, &body).await.refused(422, "invalid_field");
    }
    assert_eq!(service.get("/api/v1/log/head").await.ok()["position"], 0);
}

#[tokio::test]
async fn other_content_types_are_415() {
    let service = Server::new().await;
    for kind in ["text/plain", "application/x-www-form-urlencoded", "application/jsonx", "application/json5"]
    {
        let reply = service.header("content-type", kind).ask(Method::POST, PUBLISH, with("")).await;
        reply.refused(415, "unsupported_content_type");
    }
    service.ask(Method::POST, PUBLISH, with("")).await.refused(415, "unsupported_content_type");
    let charset = service.header("content-type", "Application/JSON; charset=utf-8");
    charset.ask(Method::POST, PUBLISH, with("")).await.ok();
}

#[tokio::test]
async fn sizes_beyond_the_limits_are_413() {
    let service = Server::new().await;
    let large =
        format!(r#"{{"event_type":"x","source_service":"s","payload":"{}"}}"#, "x".repeat(1024 * 1024));
    service.post(PUBLISH, large).await.refused(413, "event_too_large");
    let metadata = with(&format!(r#","metadata":{{"a":"{}"}}"#, "x".repeat(65 * 1024)));
    service.post(PUBLISH, metadata).await.refused(413, "event_too_large");
    let event = json!({"type": "x", "data": "x".repeat(1_000_000)});
    let batch = json!({"events": vec![event; 9]});
    service.post("/api/v1/streams/a-1", batch).await.refused(413, "batch_too_large");
    service.post(PUBLISH, " ".repeat(13 * 1024 * 1024)).await.refused(413, "body_too_large");
    assert_eq!(service.get("/api/v1/log/head").await.ok()["position"], 0);
}

#[tokio::test]
async fn illegal_stream_names_are_400_in_a_path_and_422_in_a_body() {
    let service = Server::new().await;
    for name in ["nodash", "a-..", "a-%00", "a-%E2%80%AEx", "a-b%2Fc", "a-%20", "%24-x"] {
        for path in [format!("/api/v1/streams/{name}"), format!("/api/v1/streams/{name}/head")] {
            service.get(&path).await.refused(400, "illegal_stream");
        }
        let body = json!({"events": [{"type": "x", "data": 1}]});
        service.post(&format!("/api/v1/streams/{name}"), body).await.refused(400, "illegal_stream");
    }
    service.get(&format!("/api/v1/streams/a-{}", "x".repeat(256))).await.refused(400, "illegal_stream");
    service.get("/api/v1/streams/a-%ff").await.refused(400, "malformed_request");
    let body = json!({"appends": [{"stream": "../etc", "events": [{"type": "x", "data": 1}]}]});
    service.post("/api/v1/append", body).await.refused(422, "invalid_field");
}

#[tokio::test]
async fn illegal_queries_are_400() {
    let service = Server::new().await;
    for path in [
        "/api/v1/streams?limit=0",
        "/api/v1/streams?limit=1001",
        "/api/v1/streams?name=x",
        "/api/v1/streams/a-1?after=-1",
        "/api/v1/streams/a-1?after=18446744073709551616",
        "/api/v1/streams/a-1?direction=sideways",
        "/api/v1/log?limit=1001",
        "/api/v1/log?type=x",
        "/api/v1/log?priority_min=9",
        "/api/v1/log?recorded_from=today",
        "/api/v1/log?types=%ff",
        "/api/v1/log/stream?limit=5",
        "/api/v1/log/stream?direction=backwards",
        "/api/v1/streams/a-1/stream?types=x",
        "/api/events/recent?limit=501",
        "/api/events/recent?page=2",
    ] {
        service.get(path).await.refused(400, "malformed_request");
    }
}

#[tokio::test]
async fn unknown_routes_and_methods_are_problems_too() {
    let service = Server::new().await;
    let problem = service.get("/api/v2/x?secret=1").await.refused(404, "route_not_found");
    assert_eq!(problem["instance"], "/api/v2/x", "the query may hold what nobody should see");
    let wrong = service.get(PUBLISH).await;
    wrong.refused(405, "method_not_allowed");
    assert_eq!(wrong.headers["allow"], "POST");
    service.ask(Method::PUT, "/api/v1/streams/a-1", "").await.refused(405, "method_not_allowed");
    service.get("/docs/errors/rubbish").await.refused(404, "route_not_found");
}

#[tokio::test]
async fn every_code_has_its_page_on_the_server() {
    let service = Server::new().await;
    for code in gesta_api::Code::ALL {
        let page = service.get(&format!("/docs/errors/{code}")).await;
        assert!(page.status == 200 && page.body.starts_with(&format!("# {code}")), "{code}");
    }
}
