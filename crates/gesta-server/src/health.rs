//! Whether a server works, for people, probes and load balancers.

use std::{sync::Arc, time::Instant};

use axum::{
    Json,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use gesta_core::{Clock, DurabilityClass, Position, SystemClock, Timestamp};
use serde::Serialize;
use tokio_util::sync::CancellationToken;
use utoipa::ToSchema;

use crate::telemetry::Telemetry;

/// Events that may wait to be indexed before a server calls itself degraded.
const INDEX_LAG: u64 = 100_000;

/// What a store says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[non_exhaustive]
pub struct StoreReport {
    /// Which store it is: `memory`, `file` or `postgres`.
    pub kind: &'static str,
    /// The highest readable position.
    #[schema(value_type = u64)]
    pub head: Position,
    /// The position up to which the log is indexed.
    #[schema(value_type = u64)]
    pub indexed: Position,
    /// What an acknowledgement survives.
    #[schema(value_type = String)]
    pub durability: DurabilityClass,
    /// What makes it keep less than it could, such as `synchronous_commit=off`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub lowered: Vec<String>,
    /// Why the store takes no appends, and what to do; absent when it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failed: Option<String>,
    /// How many files the log has; absent in memory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub segments: Option<u64>,
    /// How many bytes the log has; absent in memory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
}

impl StoreReport {
    /// A store in memory that works, fully indexed.
    pub fn working(head: Position, durability: DurabilityClass) -> Self {
        let (kind, indexed) = ("memory", head);
        Self { kind, head, indexed, durability, lowered: vec![], failed: None, segments: None, bytes: None }
    }
}

/// Asks a store how it is; cheap, never waits.
pub type Probe = Arc<dyn Fn() -> StoreReport + Send + Sync>;

/// How a server is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// All is well.
    Healthy,
    /// It works, but something is behind.
    Degraded,
    /// It takes no appends.
    Unhealthy,
}

/// The reply of `GET /health`.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[non_exhaustive]
pub struct HealthReport {
    /// What runs.
    pub service: &'static str,
    /// How it is.
    pub status: Status,
    /// Its release.
    pub version: &'static str,
    /// Now.
    #[schema(value_type = String, format = DateTime)]
    pub timestamp: Timestamp,
    /// Whole seconds since it started.
    pub uptime_seconds: u64,
    /// The store.
    pub store: StoreReport,
    /// How many connections are open.
    pub open_connections: usize,
    /// Whether it is about to stop.
    pub stopping: bool,
}

/// Answers how a server is.
pub struct Health {
    probe: Probe,
    telemetry: Arc<Telemetry>,
    stop: CancellationToken,
    started: Instant,
}

impl Health {
    /// Of a store and a server that started now.
    pub fn new(probe: Probe, telemetry: Arc<Telemetry>, stop: CancellationToken) -> Arc<Self> {
        telemetry.measure(Arc::clone(&probe));
        Arc::new(Self { probe, telemetry, stop, started: Instant::now() })
    }

    /// Done when the server begins to stop: a long poll then answers with what it has.
    pub async fn stopping(&self) {
        self.stop.cancelled().await;
    }

    /// Everything, for `/health`.
    pub fn report(&self) -> HealthReport {
        let store = (self.probe)();
        let behind = store.head.get().saturating_sub(store.indexed.get());
        let status = match &store.failed {
            Some(_) => Status::Unhealthy,
            None if behind > INDEX_LAG => Status::Degraded,
            None => Status::Healthy,
        };
        HealthReport {
            service: "gesta",
            status,
            version: env!("CARGO_PKG_VERSION"),
            timestamp: SystemClock.now(),
            uptime_seconds: self.started.elapsed().as_secs(),
            store,
            open_connections: self.telemetry.open_connections(),
            stopping: self.stop.is_cancelled(),
        }
    }

    /// Whether new work may come: the store takes appends and the server is not stopping.
    pub fn is_ready(&self) -> bool {
        !self.stop.is_cancelled() && (self.probe)().failed.is_none()
    }

    /// The reply of `/health`: 503 when unhealthy.
    pub fn full_reply(&self) -> Response {
        let report = self.report();
        (code(report.status != Status::Unhealthy), Json(report)).into_response()
    }

    /// The reply of `/health/live`: the process runs and answers.
    pub fn live_reply(&self) -> Response {
        Json(serde_json::json!({ "status": "live" })).into_response()
    }

    /// The reply of `/health/ready`: 503 when no new work should come.
    pub fn ready_reply(&self) -> Response {
        let ready = self.is_ready();
        let word = if ready { "ready" } else { "not_ready" };
        (code(ready), Json(serde_json::json!({ "status": word }))).into_response()
    }
}

fn code(good: bool) -> StatusCode {
    if good { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn health(report: StoreReport) -> (Arc<Health>, CancellationToken) {
        let stop = CancellationToken::new();
        (Health::new(Arc::new(move || report.clone()), Telemetry::new(), stop.clone()), stop)
    }

    fn working() -> StoreReport {
        StoreReport::working(Position::new(200_000), DurabilityClass::Volatile)
    }

    #[test]
    fn a_failed_store_makes_a_server_unhealthy_but_live() {
        let (health, _) = health(StoreReport { failed: Some("disk full".into()), ..working() });
        assert_eq!(health.full_reply().status(), 503);
        assert_eq!(health.ready_reply().status(), 503);
        assert_eq!(health.live_reply().status(), 200);
    }

    #[test]
    fn an_index_far_behind_is_degraded_and_ready() {
        let (health, _) = health(StoreReport { indexed: Position::START, ..working() });
        assert_eq!(health.report().status, Status::Degraded);
        assert!(health.is_ready());
    }

    #[test]
    fn a_stopping_server_is_healthy_and_not_ready() {
        let (health, stop) = health(working());
        assert!(health.is_ready());
        stop.cancel();
        assert_eq!(health.full_reply().status(), 200);
        assert_eq!(health.ready_reply().status(), 503);
    }
}
