//! What each metric means, and the buckets of the histograms.

use metrics::{Unit, describe_counter, describe_gauge, describe_histogram};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder};

use super::aggregates::VERSIONS;

/// Upper bounds in seconds: fine where publishing happens, up to the longest poll.
const SECONDS: [f64; 16] =
    [0.0005, 0.001, 0.0015, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 2.5, 10.0, 60.0];

/// The same with our buckets.
pub(super) fn builder(builder: PrometheusBuilder) -> PrometheusBuilder {
    let seconds = Matcher::Suffix("_seconds".to_owned());
    let versions = Matcher::Full("gesta_aggregate_version".to_owned());
    let buckets = builder.set_buckets_for_metric(seconds, &SECONDS);
    let buckets = buckets.and_then(|builder| builder.set_buckets_for_metric(versions, &VERSIONS));
    buckets.expect("no list of buckets is empty")
}

/// Tells the recorder of this thread what each metric means.
pub(super) fn describe() {
    describe_counter!("event_published_total", "Events appended for the first time.");
    describe_histogram!("event_publish_duration_seconds", Unit::Seconds, "From request to durable.");
    describe_counter!("event_publish_failed_total", "Events that were not taken.");
    describe_counter!("event_consumed_total", "Deliveries acknowledged.");
    describe_counter!("event_consume_failed_total", "Deliveries refused by their consumer.");
    describe_counter!(
        "dlq_messages_total",
        "Events parked in groups, removed groups included while the server runs, and those that handlers of the program left out."
    );
    describe_gauge!("consumer_lag_messages", "Events the slowest group is behind the head.");
    describe_gauge!("gesta_store_info", "1 for the store that is used, its durability and what lowers that.");
    describe_gauge!("gesta_head_position", "The highest readable position.");
    describe_gauge!("gesta_index_position", "The position up to which the log is indexed.");
    describe_gauge!("gesta_log_bytes", Unit::Bytes, "Bytes of the log on disk; 0 in memory.");
    describe_gauge!("gesta_open_connections", "Open connections.");
    describe_gauge!("gesta_sse_clients", "SSE clients of all tenants.");
    describe_gauge!("gesta_processor_lag_events", "Events a processor is behind the head.");
    describe_gauge!("gesta_processor_lag_seconds", "How old the last event was when it was handled.");
    describe_counter!("gesta_processor_events_total", "Events a processor has handled.");
    describe_counter!("gesta_processor_failures_total", "Attempts of a processor that failed.");
    describe_histogram!("gesta_aggregate_version", "Events a stream had when a command decided on it.");
    describe_counter!("gesta_snapshots_saved_total", "Snapshots of aggregates that were saved.");
    describe_counter!("gesta_snapshots_failed_total", "Snapshots that were due and could not be saved.");
    describe_counter!("gesta_snapshots_used_total", "Loads of an aggregate that began at a snapshot.");
    describe_counter!(
        "gesta_snapshots_passed_over_total",
        "Loads that found a snapshot they could not use and folded all events."
    );
    describe_gauge!("process_resident_memory_bytes", Unit::Bytes, "Memory of the process.");
    describe_histogram!("http_request_duration_seconds", Unit::Seconds, "From head to head of the reply.");
    describe_counter!("gesta_connections_refused_total", "Connections and heads turned away, by reason.");
}
