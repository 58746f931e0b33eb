//! ES-29: start, check health, publish a test event, read statistics.

use crate::support::{Server, masked};

#[tokio::test]
async fn the_four_steps_of_the_quick_start_answer_as_promised() {
    let service = Server::new().await;

    let health = service.get("/health").await.ok();
    assert_eq!(health["status"], "healthy");
    for field in ["service", "version", "timestamp", "uptime_seconds"] {
        assert!(!health[field].is_null(), "{health}");
    }

    let body = r#"{"event_type":"test.event","source_service":"test","payload":{"test":"data"}}"#;
    let published = service.post("/api/v1/events/publish", body).await;
    assert_eq!(published.status, 200);
    insta::assert_json_snapshot!(masked(published.ok()));

    let stats = service.get("/api/v1/stats").await.ok();
    insta::assert_json_snapshot!(masked(stats));
}

#[tokio::test]
async fn the_root_names_the_routes_to_begin_with() {
    let service = Server::new().await;
    let root = service.get("/").await.ok();
    for name in ["health", "publish", "subscribe", "stats"] {
        let path = root["endpoints"][name].as_str().expect("a path");
        let reply = service.get(path).await;
        assert_ne!(reply.status, 404, "{path}");
    }
    insta::assert_json_snapshot!(root);
}
