//! Metrics and logs.
//!
//! Metrics keep their published names: they are API. Labels come from closed sets (route templates, methods,
//! statuses, reasons), never from what a caller sends. Each server has its own registry, so that two in one
//! process do not count for each other.

use std::{
    sync::{
        Arc, Mutex, OnceLock,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::http::Method;
use gesta::ProcessorInfo;
use metrics::{Counter, Gauge, Histogram, counter, gauge, histogram, with_local_recorder};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle, PrometheusRecorder};

use crate::backend::{Probe, StoreReport};

mod aggregates;
mod describe;
mod json_lines;
pub mod logs;
mod process;
mod request_log;

pub use request_log::RequestId;
pub(crate) use request_log::{Observer, correlate, observe};

/// The metrics of one server.
pub struct Telemetry {
    recorder: PrometheusRecorder,
    handle: PrometheusHandle,
    published: Counter,
    publish_took: Histogram,
    publish_failed: Counter,
    consumed: Counter,
    consume_failed: Counter,
    dead_lettered: Counter,
    /// The most that were parked in groups at any time.
    parked: AtomicU64,
    left_out: AtomicU64,
    lag: Gauge,
    head: Gauge,
    indexed: Gauge,
    bytes: Gauge,
    connections: Gauge,
    sse_clients: Gauge,
    memory: Gauge,
    open: AtomicUsize,
    probe: OnceLock<Probe>,
    /// What was last told of the store.
    told: Mutex<Option<[String; 3]>>,
}

/// An open connection, until dropped.
#[must_use]
pub(crate) struct Connection<'a>(&'a Telemetry);

impl Telemetry {
    /// All counters at zero.
    pub fn new() -> Arc<Self> {
        Self::with_buckets(&[])
    }

    /// The same with these upper bounds for histograms of a program's own, by name; none may be empty. Other histograms
    /// whose names end in `_seconds` have those of the server.
    pub fn with_buckets(own: &[(&str, &[f64])]) -> Arc<Self> {
        let builder =
            own.iter().fold(describe::builder(PrometheusBuilder::new()), |builder, (name, bounds)| {
                let name = Matcher::Full((*name).to_owned());
                builder.set_buckets_for_metric(name, bounds).expect("a histogram has at least one bucket")
            });
        let recorder = builder.build_recorder();
        let handle = recorder.handle();
        let counter = |name: &'static str| with_local_recorder(&recorder, || counter!(name));
        let gauge = |name: &'static str| with_local_recorder(&recorder, || gauge!(name));
        with_local_recorder(&recorder, describe::describe);
        Arc::new(Self {
            published: counter("event_published_total"),
            publish_took: with_local_recorder(&recorder, || histogram!("event_publish_duration_seconds")),
            publish_failed: counter("event_publish_failed_total"),
            consumed: counter("event_consumed_total"),
            consume_failed: counter("event_consume_failed_total"),
            dead_lettered: counter("dlq_messages_total"),
            parked: AtomicU64::new(0),
            left_out: AtomicU64::new(0),
            lag: gauge("consumer_lag_messages"),
            head: gauge("gesta_head_position"),
            indexed: gauge("gesta_index_position"),
            bytes: gauge("gesta_log_bytes"),
            connections: gauge("gesta_open_connections"),
            sse_clients: gauge("gesta_sse_clients"),
            memory: gauge("process_resident_memory_bytes"),
            open: AtomicUsize::new(0),
            probe: OnceLock::new(),
            told: Mutex::default(),
            recorder,
            handle,
        })
    }

    /// Runs `work` with these metrics as the recorder of the macros of the crate `metrics`: what it makes and counts
    /// is shown by `/metrics`. Labels must come from closed sets.
    pub fn within<R>(&self, work: impl FnOnce() -> R) -> R {
        with_local_recorder(&self.recorder, work)
    }

    /// So many events were appended for the first time, in this time from request to durable.
    pub fn published(&self, events: usize, took: Duration) {
        self.published.increment(events as u64);
        self.publish_took.record(took.as_secs_f64());
    }

    /// So many events were not taken.
    pub fn publish_failed(&self, events: usize) {
        self.publish_failed.increment(events as u64);
    }

    /// So many deliveries were acknowledged.
    pub fn consumed(&self, deliveries: usize) {
        self.consumed.increment(deliveries as u64);
    }

    /// So many deliveries were refused by their consumer.
    pub fn consume_failed(&self, deliveries: usize) {
        self.consume_failed.increment(deliveries as u64);
    }

    /// How the groups do: the greatest lag, and how many events were parked in all of them so far.
    pub(crate) fn set_groups(&self, lag: u64, parked: u64) {
        self.lag.set(lag as f64);
        // Removed groups stay counted.
        self.parked.fetch_max(parked, Ordering::Relaxed);
        self.count_dead_letters();
    }

    /// So many events were left out by handlers of the program: `dlq_messages_total` counts them beside those that groups
    /// have parked.
    pub fn left_out(&self, events: u64) {
        self.left_out.fetch_add(events, Ordering::Relaxed);
        self.count_dead_letters();
    }

    /// The one place that sets it: a counter that is both set and incremented loses counts.
    fn count_dead_letters(&self) {
        let sum = self.parked.load(Ordering::Relaxed) + self.left_out.load(Ordering::Relaxed);
        self.dead_lettered.absolute(sum);
    }

    /// How the processors do. Their names come from the program, so they are a closed set.
    pub(crate) fn set_processors(&self, all: &[ProcessorInfo]) {
        self.within(|| {
            // Others say how those fare that run there.
            for ProcessorInfo { name, status, .. } in all.iter().filter(|info| info.owner.is_none()) {
                let labels = [("processor", name.clone())];
                gauge!("gesta_processor_lag_events", &labels).set(status.lag_events as f64);
                gauge!("gesta_processor_lag_seconds", &labels).set(status.lag.as_secs_f64());
                counter!("gesta_processor_events_total", &labels).absolute(status.processed);
                counter!("gesta_processor_failures_total", &labels).absolute(status.failures);
            }
        });
    }

    /// Asks this store for its positions whenever the metrics are asked for. The first one counts.
    pub(crate) fn measure(&self, probe: Probe) {
        let _ = self.probe.set(probe);
    }

    /// How many SSE clients there are.
    pub fn set_sse_clients(&self, clients: usize) {
        self.sse_clients.set(clients as f64);
    }

    /// How many connections are open.
    pub fn open_connections(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    /// All metrics in Prometheus' text format.
    pub fn render(&self) -> String {
        self.connections.set(self.open_connections() as f64);
        if let Some(store) = self.probe.get().map(|probe| probe()) {
            self.tell_store(&store);
            self.head.set(store.head.get() as f64);
            self.indexed.set(store.indexed.get() as f64);
            self.bytes.set(store.bytes.unwrap_or(0) as f64);
        }
        if let Some(bytes) = process::resident_bytes() {
            self.memory.set(bytes as f64);
        }
        self.handle.render()
    }

    /// Which store it is and what it keeps. That may change while it runs: what was said before is then no longer so.
    fn tell_store(&self, store: &StoreReport) {
        let durability = serde_json::to_value(store.durability).ok();
        let durability = durability.as_ref().and_then(|word| word.as_str()).unwrap_or_default().to_owned();
        let now = [store.kind.to_owned(), durability, store.lowered.join(",")];
        let mut told = self.told.lock().expect("no holder panics");
        let gauge = |[kind, durability, lowered]: &[String; 3]| {
            let labels =
                [("store", kind.clone()), ("durability", durability.clone()), ("lowered", lowered.clone())];
            gauge!("gesta_store_info", &labels)
        };
        self.within(|| {
            if let Some(before) = told.as_ref().filter(|before| **before != now) {
                gauge(before).set(0.0);
            }
            gauge(&now).set(1.0);
        });
        *told = Some(now);
    }

    /// Folds what histograms have gathered; without it they would grow until somebody asks for them.
    pub(crate) fn upkeep(&self) {
        self.handle.run_upkeep();
    }

    /// One request was answered.
    pub(crate) fn answered(&self, route: &str, method: &Method, status: u16, took: Duration) {
        let (route, method) = (route.to_owned(), method_name(method));
        with_local_recorder(&self.recorder, || {
            let status = status.to_string();
            let labels = [("route", route), ("method", method.to_owned()), ("status", status)];
            histogram!("http_request_duration_seconds", &labels).record(took.as_secs_f64());
        });
    }

    /// Something was refused before it was a request, for this reason.
    pub(crate) fn refused(&self, reason: &'static str) {
        with_local_recorder(&self.recorder, || {
            counter!("gesta_connections_refused_total", "reason" => reason).increment(1);
        });
    }

    /// Counts a connection until dropped.
    pub(crate) fn connection(&self) -> Connection<'_> {
        self.open.fetch_add(1, Ordering::Relaxed);
        Connection(self)
    }
}

impl Drop for Connection<'_> {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Methods are a closed set here; a peer may send any word.
fn method_name(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::DELETE => "DELETE",
        Method::PATCH => "PATCH",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}

#[cfg(test)]
mod tests {
    use gesta_core::{DurabilityClass, Position};

    use super::*;

    #[test]
    fn what_a_store_keeps_less_now_is_told_and_what_it_kept_before_is_not() {
        let telemetry = Telemetry::new();
        let synced = StoreReport::working(Position::START, DurabilityClass::Synced);
        telemetry.tell_store(&synced);
        let lowered = vec!["fsync=off".to_owned()];
        let buffered = StoreReport { durability: DurabilityClass::Buffered, lowered, ..synced };
        telemetry.tell_store(&buffered);
        let told = telemetry.render();
        let line = |durability, lowered, so| {
            format!(
                r#"gesta_store_info{{store="memory",durability="{durability}",lowered="{lowered}"}} {so}"#
            )
        };
        assert!(told.contains(&line("synced", "", 0)), "{told}");
        assert!(told.contains(&line("buffered", "fsync=off", 1)), "{told}");
    }

    #[test]
    fn what_was_parked_and_what_was_left_out_are_counted_together() {
        let telemetry = Telemetry::new();
        let told =
            |sum: u64| telemetry.render().lines().any(|line| line == format!("dlq_messages_total {sum}"));
        telemetry.left_out(2);
        telemetry.set_groups(0, 5);
        assert!(told(7), "{}", telemetry.render());
        telemetry.set_groups(0, 4);
        telemetry.left_out(1);
        assert!(told(8), "{}", telemetry.render());
    }
}
