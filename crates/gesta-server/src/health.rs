//! Whether a server works, for people, probes and load balancers.

use std::{sync::Arc, time::Instant};

use gesta_api::StoreHealth;
use gesta_core::{Clock, SystemClock};
use tokio_util::sync::CancellationToken;

use crate::{backend::Probe, telemetry::Telemetry};

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
    use gesta_api::HealthStatus;
    use gesta_core::{DurabilityClass, Position};

    use super::*;
    use crate::backend::StoreReport;

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
