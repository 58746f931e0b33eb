//! Reads of single streams, one after the other, and a scan of the log.

use std::time::Instant;

use futures_util::TryStreamExt;
use gesta_core::{EventStore, Filter, ReadAll, ReadStream, StreamId, Tenant};
use gesta_postgres::{Options, PostgresStore};

use crate::{
    load::{Latency, histogram},
    wire::Workload,
};

/// Events scanned at most.
const SCAN: usize = 200_000;

/// Reads the newest 100 events of so many streams.
pub(super) async fn read(url: &str, streams: u64) -> Result<(), String> {
    let store = PostgresStore::connect(url, Options::default()).await.map_err(|cause| cause.to_string())?;
    let (mut workload, mut latencies) = (Workload::new(77), histogram());
    for _ in 0..streams {
        let number = workload.stream();
        let stream = format!("sample-{number}").parse::<StreamId>().map_err(|cause| cause.to_string())?;
        let began = Instant::now();
        let read = ReadStream::of(Tenant::default(), stream).backwards().limit(100);
        let _: Vec<_> = store.read_stream(read).try_collect().await.map_err(|cause| cause.to_string())?;
        latencies.saturating_record(began.elapsed().as_micros() as u64);
    }
    let (began, mut seen) = (Instant::now(), 0_u64);
    let mut log = store.read_all(ReadAll::of(Filter::of(Tenant::default())).limit(SCAN));
    while log.try_next().await.map_err(|cause| cause.to_string())?.is_some() {
        seen += 1;
    }
    let log_per_second = seen as f64 / began.elapsed().as_secs_f64();
    let Latency { p50, p99, .. } = Latency::of(&latencies);
    super::tell(&serde_json::json!({ "p50": p50, "p99": p99, "log_per_second": log_per_second }))
}
