//! How fast a store in this process appends, scans and reads streams: `append_rate FOLDER [EVENTS] [WRITERS]`.
//!
//! Every writer keeps one append of one event in flight, with an expected version, on streams of its own out of
//! 100,000, some far busier than others. Events hold some 300 bytes of data and 100 of metadata.

use std::{
    error::Error,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use futures_util::TryStreamExt;
use gesta_core::{
    AppendBatch, EventStore, ExpectedVersion, Filter, Metadata, NewEvent, ReadAll, ReadStream, StreamId,
    Tenant, Version,
};
use gesta_file::{FileStore, Options};

const STREAMS: u64 = 100_000;
const REPORT: u64 = 1_000_000;

type Outcome = Result<(), Box<dyn Error + Send + Sync>>;

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Outcome {
    let mut arguments = std::env::args().skip(1);
    let folder = PathBuf::from(arguments.next().ok_or("name a folder that is not there yet")?);
    let events: u64 = arguments.next().map_or(Ok(1_000_000), |text| text.parse())?;
    let writers: u64 = arguments.next().map_or(Ok(256), |text| text.parse())?;
    let mut options = Options::default();
    if std::env::var_os("NO_SYNC").is_some() {
        options = options.without_sync();
    }
    let opened = Instant::now();
    let store = FileStore::open(&folder, options)?;
    println!("opened at {} in {:?}", store.status().head, opened.elapsed());
    if store.status().head.get() == 0 {
        append(&store, events, writers).await?;
    }
    scan(&store).await?;
    streams(&store).await?;
    let closing = Instant::now();
    store.close().await;
    println!("closed in {:?}", closing.elapsed());
    Ok(())
}

async fn append(store: &FileStore, events: u64, writers: u64) -> Outcome {
    let done = Arc::new(AtomicU64::new(0));
    let started = Instant::now();
    let tasks: Vec<_> = (0..writers)
        .map(|number| {
            let (store, done) = (store.clone(), done.clone());
            tokio::spawn(write(store, done, number, writers, events))
        })
        .collect();
    let (mut since, mut before) = (Instant::now(), 0);
    while done.load(Ordering::Relaxed) < events {
        tokio::time::sleep(Duration::from_millis(20)).await;
        let now = done.load(Ordering::Relaxed);
        if REPORT <= now - before {
            let rate = (now - before) as f64 / since.elapsed().as_secs_f64();
            let status = store.status();
            let behind = status.head.get() - status.index_watermark.get();
            println!("{now:>9} events, {rate:>8.0} a second, index {behind} behind, {} MB memory", memory());
            (since, before) = (Instant::now(), now);
        }
    }
    let mut times = Vec::new();
    for task in tasks {
        times.extend(task.await??);
    }
    let seconds = started.elapsed().as_secs_f64();
    times.sort_unstable();
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize];
    println!(
        "appended {} events in {seconds:.2} s: {:.0} a second; µs p50 {} p99 {} p99.9 {} most {}",
        times.len(),
        times.len() as f64 / seconds,
        at(0.5),
        at(0.99),
        at(0.999),
        at(1.0)
    );
    processor_time(times.len() as u64);
    Ok(())
}

async fn write(
    store: FileStore,
    done: Arc<AtomicU64>,
    number: u64,
    writers: u64,
    events: u64,
) -> Result<Vec<u32>, Box<dyn Error + Send + Sync>> {
    let mut dice = number.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut versions = vec![0u64; (STREAMS / writers) as usize + 1];
    let data = format!(r#"{{"barcode":"SAM-20240618-001","notes":"{}"}}"#, "x".repeat(260));
    let metadata = Metadata {
        source: Some("sample-service".into()),
        user_id: Some("technician-17".into()),
        subject: Some("sample-000017".into()),
        ..Metadata::default()
    };
    let (event_type, tenant): (Arc<str>, _) = ("sample.created".into(), Tenant::default());
    let mut times = Vec::new();
    while done.load(Ordering::Relaxed) < events {
        dice ^= dice << 13;
        dice ^= dice >> 7;
        dice ^= dice << 17;
        let skewed = ((dice >> 11) as f64 / (1u64 << 53) as f64).powi(3);
        let own = (skewed * (versions.len() - 1) as f64) as usize;
        let stream: StreamId = format!("sample-{}", own as u64 * writers + number).parse()?;
        let event =
            NewEvent::new(event_type.clone(), data.clone().into_bytes()).with_metadata(metadata.clone());
        let expected = ExpectedVersion::Exact(Version::new(versions[own]));
        let started = Instant::now();
        let batch = AppendBatch::to(stream, expected, [event]).of(tenant.clone());
        store.append(batch).await?;
        times.push(u32::try_from(started.elapsed().as_micros())?);
        versions[own] += 1;
        done.fetch_add(1, Ordering::Relaxed);
    }
    Ok(times)
}

async fn scan(store: &FileStore) -> Outcome {
    for filter in [Filter::everything(), Filter::of(Tenant::default()).types(["no.such"])] {
        let started = Instant::now();
        let mut events = store.read_all(ReadAll::of(filter));
        let mut count = 0u64;
        while events.try_next().await?.is_some() {
            count += 1;
        }
        let head = store.status().head.get();
        let rate = head as f64 / started.elapsed().as_secs_f64();
        println!("scanned {head} events, {count} passed: {rate:.0} a second; so far:");
        processor_time(head);
    }
    Ok(())
}

async fn streams(store: &FileStore) -> Outcome {
    let mut times = Vec::new();
    for number in 0..200 {
        let stream: StreamId = format!("sample-{}", number * 256).parse()?;
        let started = Instant::now();
        let read = ReadStream::of(Tenant::default(), stream).limit(100);
        let events: Vec<_> = store.read_stream(read).try_collect().await?;
        times.push((started.elapsed().as_micros(), events.len()));
    }
    let events: usize = times.iter().map(|(_, events)| events).sum();
    times.sort_unstable();
    let (p50, p99) = (times[times.len() / 2].0, times[times.len() * 99 / 100].0);
    println!("read 200 streams, {events} events: µs p50 {p50} p99 {p99}");
    Ok(())
}

/// The CPU time of every thread so far, which says more than a rate where others use the machine too.
fn processor_time(events: u64) {
    let mut threads = std::collections::BTreeMap::<String, u64>::new();
    for task in std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten() {
        let stat = std::fs::read_to_string(task.path().join("stat")).unwrap_or_default();
        let Some((name, rest)) = stat.rsplit_once(')') else { continue };
        let name = name.split_once('(').map_or("", |(_, name)| name);
        let ticks = rest.split_whitespace().skip(11).take(2).filter_map(|ticks| ticks.parse::<u64>().ok());
        *threads.entry(name.to_owned()).or_default() += ticks.sum::<u64>();
    }
    for (name, ticks) in threads.into_iter().filter(|(_, ticks)| 0 < *ticks) {
        // Linux counts a hundred ticks a second.
        println!("  {name}: {:.2} µs of processor an event", ticks as f64 * 10_000.0 / events as f64);
    }
}

/// Resident memory in MB.
fn memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    line.and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok()).unwrap_or(0) / 1024
}
