//! What a server tells: metrics by closed sets, and an id for each request.

use crate::support::{edge, get};

#[tokio::test]
async fn requests_are_measured_by_route_and_status_never_by_path() {
    let edge = edge(|_| {}).await;
    edge.get("/open?secret=1", "").await;
    edge.get("/nowhere/123", "").await;
    let mut wire = edge.connect().await;
    wire.send(&get("/open", "").replace("GET", "BREW")).await;
    wire.reply().await;
    let text = edge.telemetry.render();
    assert!(
        text.contains(r#"http_request_duration_seconds_count{route="/open",method="GET",status="200"} 1"#),
        "{text}"
    );
    assert!(text.contains(r#"route="unmatched",method="GET",status="404""#), "{text}");
    assert!(!text.contains("secret") && !text.contains("123") && !text.contains("BREW"), "{text}");
}

#[tokio::test]
async fn published_names_are_there_from_the_start() {
    let text = edge(|_| {}).await.telemetry.render();
    for name in
        ["event_published_total", "event_consumed_total", "dlq_messages_total", "consumer_lag_messages"]
    {
        assert!(text.contains(&format!("\n{name} 0")), "{name} in {text}");
    }
    assert!(text.contains("process_resident_memory_bytes"), "{text}");
}

#[tokio::test]
async fn a_request_id_is_echoed_or_made() {
    let edge = edge(|_| {}).await;
    let given = edge.get("/open", "x-request-id: abc-1\r\n").await;
    assert_eq!(given.header("x-request-id"), Some("abc-1"));
    let made = edge.get("/open", "").await;
    assert!(made.header("x-request-id").is_some_and(|id| id.len() == 36));
    assert_eq!(made.header("x-content-type-options"), Some("nosniff"));
}
