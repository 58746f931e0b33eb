//! Processors and the store, looked at once a second: health by part, and what was tried again.

use std::{collections::HashMap, sync::Arc, time::Duration};

use gesta::{ProcessorState, ProcessorStatus, Processors};
use metrics::{counter, gauge};
use tokio::task::JoinHandle;

use super::Metrics;

/// How often it looks.
const LOOK: Duration = Duration::from_secs(1);

/// Keeps the metrics up to date until it is dropped.
pub struct Watching(JoinHandle<()>);

impl Watching {
    /// Begins to look at these processors.
    pub(crate) fn begin(metrics: Metrics, processors: Arc<Processors>) -> Self {
        Self(tokio::spawn(async move {
            let mut seen = Seen::default();
            let mut interval = tokio::time::interval(LOOK);
            loop {
                interval.tick().await;
                for info in processors.list() {
                    metrics.telemetry().within(|| seen.look(&info.status));
                }
            }
        }))
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// What was seen of each processor when it was last looked at.
#[derive(Default)]
struct Seen(HashMap<String, Last>);

#[derive(Default)]
struct Last {
    failures: u64,
    handled: u64,
    /// Whether a failure was not followed by anything yet.
    open: bool,
}

impl Seen {
    fn look(&mut self, status: &ProcessorStatus) {
        let name = status.name.clone();
        gauge!("actor_health_status", "actor" => name.clone()).set(health(&status.state));
        let last = self.0.entry(name.clone()).or_default();
        let failed = status.failures.saturating_sub(last.failures);
        if failed > 0 {
            let attempt = attempt(&status.state);
            counter!("retry_attempts_total", "operation" => name.clone(), "attempt" => attempt)
                .increment(failed);
            last.open = true;
        }
        let stopped = matches!(&status.state, ProcessorState::Stopped { reason: Some(_) });
        if last.open && stopped {
            counter!("retry_failure_total", "operation" => name).increment(1);
            last.open = false;
        } else if last.open && status.state == ProcessorState::Running && status.handled > last.handled {
            counter!("retry_success_total", "operation" => name).increment(1);
            last.open = false;
        }
        (last.failures, last.handled) = (status.failures, status.handled);
    }
}

/// 0 unhealthy, 1 degraded, 2 healthy.
fn health(state: &ProcessorState) -> f64 {
    match state {
        ProcessorState::Running => 2.0,
        ProcessorState::Stopped { .. } => 0.0,
        _ => 1.0,
    }
}

/// Labels are a closed set: attempts beyond the fourth are one.
fn attempt(state: &ProcessorState) -> &'static str {
    match state {
        ProcessorState::Retrying { attempt: 2, .. } => "2",
        ProcessorState::Retrying { attempt: 3, .. } => "3",
        ProcessorState::Retrying { attempt: 4.., .. } => "more",
        _ => "1",
    }
}
