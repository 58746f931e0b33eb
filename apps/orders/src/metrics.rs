//! What the application measures beside the server: what reaches its handlers, what fails, what is tried again.
//!
//! The names are published: dashboards and alerts stand on them. Labels come from closed sets: the names of events,
//! processors and statuses.

use std::{sync::Arc, time::Instant};

use async_trait::async_trait;
use gesta::{
    Aggregate, Event, Projection, ProjectionError, Rows, Table,
    repository::{ExecuteError, Executed},
};
use gesta_core::{EventHandler, Filter, HandlerError, RecordedEvent, Tenant};
use gesta_server::telemetry::Telemetry;
use metrics::{counter, describe_counter, describe_gauge, describe_histogram, histogram};
use serde::Deserialize;

use crate::domain::order::OrderEvent;

mod watch;
pub use watch::Watching;

/// Upper bounds of `cdc_processing_duration_seconds`.
const SECONDS: [f64; 8] = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0];

/// The metrics of the application, shown by the server's `/metrics`.
#[derive(Clone)]
pub(crate) struct Metrics(Arc<Telemetry>);

impl Metrics {
    /// All at zero.
    pub(crate) fn new() -> Self {
        let telemetry = Telemetry::with_buckets(&[("cdc_processing_duration_seconds", &SECONDS)]);
        telemetry.within(describe);
        Self(telemetry)
    }

    /// Where they are kept.
    pub(crate) fn telemetry(&self) -> Arc<Telemetry> {
        Arc::clone(&self.0)
    }

    /// A command was executed, and its events went into the log.
    pub(crate) fn sent<A: Aggregate>(&self, actor: &'static str, executed: &Executed<A>) {
        if executed.repeated {
            return;
        }
        self.0.within(|| {
            for event in &executed.events {
                let labels = [("actor", actor), ("message_type", event.kind().name)];
                counter!("actor_messages_sent_total", &labels).increment(1);
            }
        });
    }

    /// A command was not executed. Where that was tried again and again, it was given up: other writers came first every
    /// time, or the store never said what became of it.
    pub(crate) fn refused<A: Aggregate>(&self, error: &ExecuteError<A::Rejection>) {
        if matches!(error, ExecuteError::Unknown { .. } | ExecuteError::Conflict { attempts: 2.., .. }) {
            self.0.within(|| counter!("retry_failure_total", "operation" => A::CATEGORY).increment(1));
        }
    }

    fn handled(&self, actor: &str, event: &RecordedEvent, began: Instant, failed: bool) {
        let (actor, kind) = (actor.to_owned(), event.event_type.to_string());
        self.0.within(|| {
            let received = [("actor", actor), ("message_type", kind.clone())];
            counter!("actor_messages_received_total", &received).increment(1);
            if failed {
                let labels = [("event_type", kind.clone()), ("reason", "processing_error".to_owned())];
                counter!("cdc_events_failed_total", &labels).increment(1);
            } else {
                counter!("cdc_events_processed_total", "event_type" => kind.clone()).increment(1);
            }
            histogram!("cdc_processing_duration_seconds", "event_type" => kind).record(began.elapsed());
        });
    }

    fn dead(&self, event_type: &'static str) {
        self.0.left_out(1);
        self.0.within(|| counter!("dlq_messages_by_event_type", "event_type" => event_type).increment(1));
    }
}

fn describe() {
    describe_counter!("cdc_events_processed_total", "Events that handlers took, each handler for itself.");
    describe_counter!("cdc_events_failed_total", "Events that handlers could not take.");
    describe_histogram!("cdc_processing_duration_seconds", "How long a handler thought about an event.");
    describe_counter!("retry_attempts_total", "Attempts of handlers after a failure.");
    describe_counter!("retry_success_total", "Handlers that went on after a failure.");
    describe_counter!("retry_failure_total", "Handlers and commands that gave up after a failure.");
    describe_counter!("dlq_messages_by_event_type", "Events that were left out of a read model, by type.");
    describe_gauge!("actor_health_status", "How a part fares: 0 unhealthy, 1 degraded, 2 healthy.");
    describe_counter!("actor_messages_sent_total", "Events that commands led to.");
    describe_counter!("actor_messages_received_total", "Events that reached a handler.");
}

/// A projection that is measured.
pub(crate) struct Measured<P> {
    inner: P,
    metrics: Metrics,
}

impl<P> Measured<P> {
    /// The same projection, measured.
    pub(crate) fn new(inner: P, metrics: &Metrics) -> Self {
        Self { inner, metrics: metrics.clone() }
    }
}

impl<P: Projection> Projection for Measured<P> {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn version(&self) -> u32 {
        self.inner.version()
    }

    fn filter(&self) -> Filter {
        self.inner.filter()
    }

    fn tables(&self) -> Vec<Table> {
        self.inner.tables()
    }

    fn project(&self, event: &RecordedEvent, rows: &mut Rows) -> Result<(), ProjectionError> {
        let began = Instant::now();
        let projected = self.inner.project(event, rows);
        self.metrics.handled(self.name(), event, began, projected.is_err());
        projected
    }
}

/// Counts the events that read models had to leave out: each is recorded in the log, again when a replay of it fails.
pub(crate) struct DeadLetterCount(pub(crate) Metrics);

/// What stands for every type that is none of an order.
const OTHER: &str = "other";

/// A type as a label: the kind's name, whichever way it is spelled.
fn label(event_type: &str) -> &'static str {
    OrderEvent::find(event_type).map_or(OTHER, |kind| kind.name)
}

/// What is looked at in the record of an event that was left out.
#[derive(Deserialize)]
struct LeftOut {
    event_type: String,
}

#[async_trait]
impl EventHandler for DeadLetterCount {
    fn name(&self) -> &str {
        "dead-letter-count"
    }

    fn filter(&self) -> Filter {
        // Only Gesta writes to its own streams; anybody may write this type to another.
        let streams = ["$processor-*"];
        Filter::of(Tenant::default()).types(["gesta.processor.parked"]).streams(streams).with_system()
    }

    async fn handle(&self, events: &[RecordedEvent]) -> Result<(), HandlerError> {
        for event in events {
            let left_out: Result<LeftOut, _> = serde_json::from_slice(&event.data);
            self.0.dead(left_out.map_or(OTHER, |left_out| label(&left_out.event_type)));
        }
        Ok(())
    }
}
