//! Appends until the log holds so many events, then a kill; and the start afterwards.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use gesta_core::{AppendBatch, EventStore, ExpectedVersion, Metadata, NewEvent, StreamId, Version};
use gesta_file::{FileStore, Options};
use hdrhistogram::Histogram;
use tokio::sync::Mutex;

use super::Stretch;
use crate::{
    load::{Latency, histogram},
    process::memory,
    wire::Workload,
};

const WRITERS: u64 = 256;
const STREAMS: u64 = 100_000;

/// What writers share.
struct Shared {
    store: FileStore,
    appended: AtomicU64,
    latencies: Mutex<Histogram<u64>>,
}

/// Appends in ten stretches, prints each as a line of JSON, and dies without a goodbye in the middle of it all.
pub(super) async fn grow(folder: &Path, events: u64) -> Result<(), String> {
    let store = FileStore::open(folder, Options::default()).map_err(|cause| cause.to_string())?;
    let shared = Arc::new(Shared { store, appended: AtomicU64::new(0), latencies: Mutex::new(histogram()) });
    let writers: Vec<_> = (0..WRITERS).map(|number| tokio::spawn(write(shared.clone(), number))).collect();
    let stretch = (events / 20).max(1);
    for number in 1..=20 {
        let (before, began) = (shared.appended.load(Ordering::Relaxed), Instant::now());
        while shared.appended.load(Ordering::Relaxed) < stretch * number {
            if writers.iter().any(tokio::task::JoinHandle::is_finished) {
                return Err("a writer has stopped".into());
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let now = shared.appended.load(Ordering::Relaxed);
        if now == before {
            // On a slow machine one look may see two stretches go by.
            continue;
        }
        let per_second = (now - before) as f64 / began.elapsed().as_secs_f64();
        let latencies = std::mem::replace(&mut *shared.latencies.lock().await, histogram());
        let figure = Stretch::new(now, per_second, Latency::of(&latencies), memory(std::process::id()));
        println!("{}", serde_json::to_string(&figure).map_err(|cause| cause.to_string())?);
    }
    // Nothing is closed or flushed: the writers are in the middle of appends.
    let me = std::process::id().to_string();
    let killed = std::process::Command::new("sh").args(["-c", &format!("kill -KILL {me}")]).status();
    Err(format!("still alive after a kill: {killed:?}"))
}

/// A start after the kill, to the first acknowledged append.
pub(super) async fn recover(folder: &Path) -> Result<(), String> {
    let began = Instant::now();
    let store = FileStore::open(folder, Options::default()).map_err(|cause| cause.to_string())?;
    let opened = began.elapsed();
    let stream: StreamId = "after-crash".parse().map_err(|_| "an illegal stream")?;
    let batch = AppendBatch::to(stream, ExpectedVersion::Any, [NewEvent::new("bench.recovered", "{}")]);
    let appended = store.append(batch).await.map_err(|cause| cause.to_string())?;
    let took = began.elapsed();
    let milliseconds = |time: Duration| (time.as_secs_f64() * 10_000.0).round() / 10.0;
    println!(
        "{}",
        serde_json::json!({
            "milliseconds": milliseconds(took), "open_milliseconds": milliseconds(opened),
            "position": appended.last().position.get(),
        })
    );
    store.close().await;
    Ok(())
}

async fn write(shared: Arc<Shared>, writer: u64) -> Result<(), String> {
    let mut workload = Workload::new(writer + 1);
    let mut versions = vec![0_u64; (STREAMS / WRITERS) as usize + 1];
    let metadata = Metadata::from_json(Workload::metadata().as_bytes()).map_err(|cause| cause.to_string())?;
    let mut mine = histogram();
    loop {
        // Each writer has streams of its own, so no append is a conflict.
        let at = (workload.stream() / WRITERS) as usize;
        let number = at as u64 * WRITERS + writer;
        let stream = format!("sample-{number}").parse::<StreamId>().map_err(|cause| cause.to_string())?;
        let event = NewEvent::new("sample.created", workload.data(number, 0)).with_metadata(metadata.clone());
        let expected = ExpectedVersion::Exact(Version::new(versions[at]));
        let began = Instant::now();
        shared.store.append(AppendBatch::to(stream, expected, [event])).await.map_err(|cause| {
            eprintln!("writer {writer}: {cause}");
            cause.to_string()
        })?;
        versions[at] += 1;
        mine.saturating_record(began.elapsed().as_micros() as u64);
        if shared.appended.fetch_add(1, Ordering::Relaxed).is_multiple_of(16) {
            let mut all = shared.latencies.lock().await;
            all.add(&mine).map_err(|cause| cause.to_string())?;
            mine.reset();
        }
    }
}
