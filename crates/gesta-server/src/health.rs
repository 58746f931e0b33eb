//! Whether a server works, for people, probes and load balancers.

use std::{sync::Arc, time::Instant};

use gesta_api::{HealthStatus, StoreHealth};
use gesta_core::{Clock, DurabilityClass, Position, SystemClock};
use tokio_util::sync::CancellationToken;

use crate::telemetry::Telemetry;

/// Events that may wait to be indexed before a server calls itself degraded.
const INDEX_LAG: u64 = 100_000;

/// What a store says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StoreReport {
    /// Which store it is: `memory`, `file` or `postgres`.
    pub(crate) kind: &'static str,
    /// The highest readable position.
    pub(crate) head: Position,
    /// The position up to which the log is indexed.
    pub(crate) indexed: Position,
    /// What an acknowledgement survives.
    pub(crate) durability: DurabilityClass,
    /// What makes it keep less than it could, such as `synchronous_commit=off`.
    pub(crate) lowered: Vec<String>,
    /// Why the store takes no appends, and what to do; absent when it does.
    pub(crate) failed: Option<String>,
    /// How many files the log has; absent in memory.
    pub(crate) segments: Option<u64>,
    /// How many bytes the log has; absent in memory.
    pub(crate) bytes: Option<u64>,
}

impl StoreReport {
    /// A store in memory that works, fully indexed.
    pub(crate) fn working(head: Position, durability: DurabilityClass) -> Self {
        let (kind, indexed) = ("memory", head);
        Self { kind, head, indexed, durability, lowered: vec![], failed: None, segments: None, bytes: None }
    }

    fn behind(&self) -> u64 {
        self.head.get().saturating_sub(self.indexed.get())
    }

    fn status(&self) -> HealthStatus {
        match &self.failed {
            Some(_) => HealthStatus::Unhealthy,
            None if self.behind() > INDEX_LAG => HealthStatus::Degraded,
            None => HealthStatus::Healthy,
        }
    }
}

/// Asks a store how it is; cheap, never waits.
pub(crate) type Probe = Arc<dyn Fn() -> StoreReport + Send + Sync>;

/// Answers how a server is.
pub(crate) struct Health {
    probe: Probe,
    telemetry: Arc<Telemetry>,
    stop: CancellationToken,
    started: Instant,
}

impl Health {
    /// Of a store and a server that started now.
    pub(crate) fn new(probe: Probe, telemetry: Arc<Telemetry>, stop: CancellationToken) -> Self {
        telemetry.measure(Arc::clone(&probe));
        Self { probe, telemetry, stop, started: Instant::now() }
    }

    /// Everything that is known without the program's own parts, under this name.
    pub(crate) fn report(&self, service: &str) -> gesta_api::Health {
        let store = (self.probe)();
        let index = match store.behind() {
            0 => "ok".to_owned(),
            behind => format!("{behind} events behind"),
        };
        gesta_api::Health {
            service: service.to_owned(),
            status: store.status(),
            version: env!("CARGO_PKG_VERSION").into(),
            timestamp: SystemClock.now(),
            uptime_seconds: self.started.elapsed().as_secs(),
            checks: [
                ("store".to_owned(), store.failed.unwrap_or_else(|| "ok".to_owned())),
                ("index".to_owned(), index),
            ]
            .into(),
            store: Some(StoreHealth {
                kind: store.kind.into(),
                lowered: store.lowered,
                head: store.head.get(),
                indexed: store.indexed.get(),
                durability: Some(store.durability).into(),
                segments: store.segments,
                bytes: store.bytes,
            }),
            open_connections: self.telemetry.open_connections() as u64,
            stopping: self.stop.is_cancelled(),
        }
    }

    /// Whether new work may come: the store takes appends and the server is not stopping.
    pub(crate) fn is_ready(&self) -> bool {
        !self.stop.is_cancelled() && (self.probe)().failed.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn health(report: StoreReport) -> (Health, CancellationToken) {
        let stop = CancellationToken::new();
        (Health::new(Arc::new(move || report.clone()), Telemetry::new(), stop.clone()), stop)
    }

    fn working() -> StoreReport {
        StoreReport::working(Position::new(200_000), DurabilityClass::Volatile)
    }

    #[test]
    fn a_failed_store_makes_a_server_unhealthy_and_not_ready() {
        let (health, _) = health(StoreReport { failed: Some("disk full".into()), ..working() });
        let report = health.report("gesta");
        assert_eq!((report.status, &*report.checks["store"]), (HealthStatus::Unhealthy, "disk full"));
        assert!(!health.is_ready());
    }

    #[test]
    fn an_index_far_behind_is_degraded_and_ready() {
        let (health, _) = health(StoreReport { indexed: Position::START, ..working() });
        assert_eq!(health.report("gesta").status, HealthStatus::Degraded);
        assert!(health.is_ready());
    }

    #[test]
    fn a_stopping_server_is_healthy_and_not_ready() {
        let (health, stop) = health(working());
        assert!(health.is_ready());
        stop.cancel();
        assert_eq!(health.report("gesta").status, HealthStatus::Healthy);
        assert!(!health.is_ready());
    }
}
