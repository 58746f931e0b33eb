//! What is published as an interface: the OpenAPI document and the names of the metrics.

use std::{collections::BTreeSet, sync::Arc};

use async_trait::async_trait;
use gesta_conformance::around::{Around, AroundStore};
use gesta_core::{AppendBatch, AppendError, Appended, EventStore, NewEvent};
use gesta_server::Config;
use serde_json::{Value, json};

use crate::running::{Running, ada, id, in_folder, new_order};

/// `apps/orders/openapi.json` is what `orders openapi` prints; write it anew after a change of routes and review it.
#[test]
fn the_document_is_the_golden_one() {
    assert_eq!(
        orders::document(),
        include_str!("../../openapi.json"),
        "cargo run -p orders -- openapi > apps/orders/openapi.json"
    );
}

#[tokio::test]
async fn the_served_document_has_the_routes_of_the_application_and_of_gesta() {
    let app = Running::start().await;
    let document = app.get("/openapi.json").await.body;
    assert_eq!(document["info"]["title"], json!("Orders"));
    let paths = document["paths"].as_object().expect("paths");
    for path in [
        "/api/v1/orders",
        "/api/v1/customers/{id}/upgrade-tier",
        "/api/v1/streams/{stream}",
        "/api/v1/processors",
    ] {
        assert!(paths.contains_key(path), "{path}");
    }
    let permission = &document["paths"]["/api/v1/orders"]["post"]["x-permission"];
    assert_eq!(permission, &json!("stream:append"));
}

/// The lines of `/metrics` of one name, labels included.
fn lines(metrics: &Value, name: &str) -> Vec<String> {
    let named = |line: &&str| line.split(['{', ' ']).next() == Some(name);
    metrics.as_str().expect("text").lines().filter(named).map(str::to_owned).collect()
}

/// The line of a metric with these labels, once its value is above zero.
async fn until_moved(app: &Running, name: &str, labels: &[&str]) -> String {
    let moved = |line: &String| {
        let value: f64 = line.rsplit(' ').next().and_then(|value| value.parse().ok()).unwrap_or(0.0);
        value > 0.0 && labels.iter().all(|label| line.contains(label))
    };
    let metrics = app.until("/metrics", |metrics| lines(metrics, name).iter().any(moved)).await;
    lines(&metrics, name).into_iter().find(moved).expect("it has moved")
}

/// OR-38, OR-49: each series that has a cause without a broker moves.
#[tokio::test]
async fn every_named_series_moves() {
    let app = Running::start().await;
    let path = app.place(1, 7).await;
    app.does(&format!("{path}/confirm"), json!({})).await;
    let confirmed = &["event_type=\"OrderConfirmed\""][..];
    until_moved(&app, "cdc_events_processed_total", confirmed).await;
    until_moved(&app, "cdc_processing_duration_seconds_count", confirmed).await;
    until_moved(&app, "actor_messages_sent_total", &["actor=\"order\"", "message_type=\"OrderCreated\""])
        .await;
    until_moved(
        &app,
        "actor_messages_received_total",
        &["actor=\"order-read-model-projection\"", "message_type=\"OrderCreated\""],
    )
    .await;
    let health = until_moved(&app, "actor_health_status", &["actor=\"orders-by-status-projection\""]).await;
    assert!(health.ends_with(" 2") || health.ends_with(" 1"), "{health}");

    // An event that cannot be projected fails, is tried again one by one, is left out, and counts as a dead letter.
    let newer = NewEvent { schema_version: 9, ..NewEvent::new("OrderConfirmed", "{}") };
    app.append(&format!("order-{}", id(1)), newer).await;
    until_moved(
        &app,
        "cdc_events_failed_total",
        &["event_type=\"OrderConfirmed\"", "reason=\"processing_error\""],
    )
    .await;
    until_moved(&app, "dlq_messages_total", &[]).await;
    until_moved(&app, "dlq_messages_by_event_type", confirmed).await;
    until_moved(&app, "retry_attempts_total", &["operation=\"order-read-model-projection\"", "attempt="])
        .await;
    until_moved(&app, "retry_success_total", &["operation=\"order-read-model-projection\""]).await;
}

/// OR-28: how long streams are when commands decide, and what becomes of snapshots.
#[tokio::test]
async fn versions_of_aggregates_and_their_snapshots_are_measured() {
    let app = Running::start().await;
    let answer = app.post("/api/v1/customers", ada(7)).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    let path = format!("/api/v1/customers/{}/change-email", id(7));
    for at in 1..=101 {
        app.does(&path, json!({"new_email": format!("ada{at}@example.org")})).await;
    }
    let category = &["category=\"customer\""][..];
    until_moved(&app, "gesta_snapshots_saved_total", category).await;
    until_moved(&app, "gesta_snapshots_used_total", category).await;
    let count = until_moved(&app, "gesta_aggregate_version_count", category).await;
    assert!(count.ends_with(" 102"), "{count}");
    let buckets = lines(&app.get("/metrics").await.body, "gesta_aggregate_version_bucket");
    let up_to = |bound: &str| buckets.iter().find(|line| line.contains(bound)).cloned().expect("a bucket");
    assert!(up_to("le=\"100\"").ends_with(" 101"), "{buckets:#?}");
    assert!(up_to("le=\"500\"").ends_with(" 102"), "{buckets:#?}");
    assert_eq!(lines(&app.get("/metrics").await.body, "gesta_snapshots_failed_total"), Vec::<String>::new());
}

/// A store that never says what became of an append.
struct Mute(Arc<dyn EventStore>);

#[async_trait]
impl AroundStore for Mute {
    fn store(&self) -> &dyn EventStore {
        &*self.0
    }
    async fn append(&self, _: AppendBatch) -> Result<Appended, AppendError> {
        Err(AppendError::Unknown { reason: "no answer came".into() })
    }
}

/// OR-38: what was tried until there was no point in going on.
#[tokio::test]
async fn a_command_that_no_retry_helps_is_a_retry_that_failed() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let backend = in_folder(&folder).await.with_store(|store| Arc::new(Around(Mute(store))));
    let app = Running::on(backend, Config::default()).await;
    let answer = app.post("/api/v1/orders", new_order(1, 7)).await;
    assert!(answer.refusal().starts_with("503 outcome_unknown"), "{answer:?}");
    let line = until_moved(&app, "retry_failure_total", &["operation=\"order\""]).await;
    assert!(line.ends_with(" 1"), "{line}");
}

/// A record of Gesta's own counts, and one that somebody else wrote does not. A type that is none of an order has no
/// series of its own.
#[tokio::test]
async fn only_what_a_processor_recorded_is_a_dead_letter() {
    let app = Running::start().await;
    for stream in ["forged-1", "$processor-another"] {
        let record = NewEvent::new("gesta.processor.parked", r#"{"event_type":"Whatever"}"#);
        app.append(stream, record).await;
    }
    until_moved(&app, "dlq_messages_by_event_type", &["event_type=\"other\""]).await;
    assert_eq!(lines(&app.get("/metrics").await.body, "dlq_messages_total"), ["dlq_messages_total 1"]);
}

/// The buckets are part of the metric's name.
#[tokio::test]
async fn the_histogram_has_the_published_buckets() {
    let app = Running::start().await;
    app.place(1, 7).await;
    until_moved(&app, "cdc_processing_duration_seconds_count", &[]).await;
    let metrics = app.get("/metrics").await.body;
    let bounds: BTreeSet<String> = lines(&metrics, "cdc_processing_duration_seconds_bucket")
        .iter()
        .filter_map(|line| Some(line.split_once("le=\"")?.1.split_once('"')?.0.to_owned()))
        .collect();
    let published = ["0.001", "0.005", "0.01", "0.05", "0.1", "0.5", "1", "5", "+Inf"].map(str::to_owned);
    assert_eq!(bounds, BTreeSet::from(published));
}

#[tokio::test]
async fn health_names_the_application_and_its_parts() {
    let app = Running::start().await;
    let health = app.get("/health").await;
    assert_eq!((health.status, &health.body["service"]), (200, &json!("orders")), "{health:?}");
    assert!(health.body["checks"]["processors"].is_string() && health.body["checks"]["store"].is_string());
}
