//! Appends through the store by so many writers, as fast as they are answered.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use gesta_core::{AppendBatch, EventStore, ExpectedVersion, Metadata, NewEvent, StreamId, Version};
use gesta_postgres::{Options, PostgresStore};
use hdrhistogram::Histogram;
use tokio::task::JoinSet;

use super::Written;
use crate::{
    load::{Latency, Span, histogram},
    wire::Workload,
};

/// Streams of one writer: no append is a conflict.
const STREAMS: u64 = 390;

/// Prints what it came to.
pub(super) async fn append(
    url: &str,
    first: u64,
    writers: u64,
    events: usize,
    span: Span,
) -> Result<(), String> {
    let store = PostgresStore::connect(url, Options::default()).await.map_err(|cause| cause.to_string())?;
    let store = Arc::new(store);
    let (from, until) = (Instant::now() + span.warm_up, Instant::now() + span.warm_up + span.measured);
    let mut running = JoinSet::new();
    for writer in first..first + writers {
        running.spawn(write(store.clone(), writer, events, (from, until)));
    }
    let mut all = histogram();
    while let Some(done) = running.join_next().await {
        all.add(done.map_err(|cause| cause.to_string())??).map_err(|cause| cause.to_string())?;
    }
    let events_per_second = all.len() as f64 * events as f64 / span.measured.as_secs_f64();
    super::tell(&Written { events_per_second, latency: Latency::of(&all) })?;
    store.close().await;
    Ok(())
}

async fn write(
    store: Arc<PostgresStore>,
    writer: u64,
    events: usize,
    (from, until): (Instant, Instant),
) -> Result<Histogram<u64>, String> {
    let mut workload = Workload::new(writer + 1);
    let mut versions = vec![0_u64; STREAMS as usize];
    let metadata = Metadata::from_json(Workload::metadata().as_bytes()).map_err(|cause| cause.to_string())?;
    let mut latencies = histogram();
    loop {
        let at = (workload.stream() % STREAMS) as usize;
        let number = at as u64 + writer * STREAMS;
        let stream = format!("sample-{number}").parse::<StreamId>().map_err(|cause| cause.to_string())?;
        let event =
            |_| NewEvent::new("sample.created", workload.data(number, 0)).with_metadata(metadata.clone());
        let batch: Vec<_> = (0..events).map(event).collect();
        let expected = ExpectedVersion::Exact(Version::new(versions[at]));
        let began = Instant::now();
        if began >= until {
            return Ok(latencies);
        }
        let appended = store.append(AppendBatch::to(stream, expected, batch)).await;
        appended.map_err(|cause| format!("writer {writer}: {cause}"))?;
        versions[at] += events as u64;
        let took: Duration = began.elapsed();
        if began >= from {
            latencies.saturating_record(took.as_micros() as u64);
        }
    }
}
