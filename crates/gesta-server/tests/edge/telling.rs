//! What a server tells: metrics by closed sets, and an id for each request.

use std::{
    io::Write,
    sync::{Arc, LazyLock, Mutex},
};

use axum::{body::Body, extract::Request};
use gesta_server::{Backend, Config, auth::keys::Granted};
use tower::ServiceExt;

use crate::support::{Keys, edge, edge_with_keys, get};

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

#[tokio::test]
async fn a_bug_costs_one_reply_and_not_the_connection() {
    let edge = edge(|_| {}).await;
    let mut wire = edge.connect().await;
    wire.send(&get("/bug", "")).await;
    let reply = wire.reply().await;
    assert_eq!(reply.status, 500);
    assert!(reply.body.contains("\"internal\"") && !reply.body.contains("on purpose"), "{}", reply.body);
    wire.send(&get("/open", "")).await;
    assert_eq!(wire.reply().await.body, "open");
}

/// What the log says, of all tests of this program: with a subscriber of its own a test would miss the lines of call
/// sites that another test's thread has been to first.
#[derive(Clone, Default)]
pub(crate) struct Lines(Arc<Mutex<Vec<u8>>>);

impl Lines {
    /// Begins to keep them, once.
    pub(crate) fn begin() -> &'static Self {
        static LINES: LazyLock<Lines> = LazyLock::new(|| {
            let lines = Lines::default();
            let writer = lines.clone();
            let subscriber = tracing_subscriber::fmt().json().flatten_event(true);
            let subscriber =
                subscriber.with_writer(move || writer.clone()).with_max_level(tracing::Level::DEBUG);
            tracing::subscriber::set_global_default(subscriber.finish())
                .expect("the only one of this program");
            lines
        });
        &LINES
    }

    fn text(&self) -> String {
        String::from_utf8(self.0.lock().expect("no panic").clone()).expect("text")
    }

    /// The line of a request by its id.
    fn request(&self, id: &str) -> serde_json::Value {
        let text = self.text();
        let mut lines = text.lines().map(|line| serde_json::from_str(line).expect("JSON"));
        let found = lines.find(|line: &serde_json::Value| line["request_id"] == id);
        found.unwrap_or_else(|| panic!("no line of {id}"))
    }
}

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("no panic").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn the_log_tells_who_did_what_and_neither_keys_nor_payloads() {
    let lines = Lines::begin();
    let keys = Keys::new();
    let made = keys.make("north", Granted::All);
    let edge = edge_with_keys(|_| {}, Some(&keys.file)).await;

    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let headers = format!(
        "authorization: Bearer {}\r\nx-request-id: req-7\r\nx-correlation-id: cor-8\r\n\
         traceparent: 00-{trace}-00f067aa0ba902b7-01\r\ncontent-length: 6\r\n",
        made.key
    );
    let mut wire = edge.connect().await;
    wire.send(&format!("POST /length?q=canary HTTP/1.1\r\nhost: localhost\r\n{headers}\r\ncanary")).await;
    assert_eq!(wire.reply().await.body, "6");
    edge.get("/whoami", "authorization: Bearer gk_canary\r\nx-request-id: req-9\r\n").await;

    let text = lines.text();
    let (posted, refused) = (lines.request("req-7"), lines.request("req-9"));
    let told = |key: &str| posted[key].as_str().unwrap_or_default().to_owned();
    assert_eq!(
        (&*told("request_id"), &*told("correlation_id"), &*told("trace_id")),
        ("req-7", "cor-8", trace)
    );
    assert_eq!((&*told("tenant"), &*told("route"), &*told("method")), ("north", "/length", "POST"));
    assert_eq!((&posted["status"], &refused["status"]), (&200.into(), &401.into()));
    assert_eq!(told("principal"), format!("key:{}", made.id));
    // The alphabet of the secret has the underscore too, so it is what follows the second one.
    let secret = made.key.splitn(3, '_').nth(2).expect("a secret");
    assert!(!text.contains("canary") && !text.contains(secret), "{text}");
}

#[tokio::test]
async fn the_log_tells_the_correlation_of_what_was_published() {
    let lines = Lines::begin();
    let service = gesta_server::service(Backend::memory(), Config::default()).await.expect("starts");
    let correlation = "0198c0de-0000-7000-8000-000000000001";
    let body =
        format!(r#"{{"event_type":"x","source_service":"t","payload":1,"correlation_id":"{correlation}"}}"#);
    let request = Request::post("/api/v1/events/publish")
        .header("host", "localhost")
        .header("x-request-id", "req-published");
    let request =
        request.header("content-type", "application/json").body(Body::from(body)).expect("a request");
    assert_eq!(service.oneshot(request).await.expect("infallible").status(), 200);
    assert_eq!(lines.request("req-published")["correlation_id"], correlation);
}
