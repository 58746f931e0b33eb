//! How fast the index follows a log: one thread does what the log's writer does (asks for every new id, writes groups
//! and syncs them), the other applies what is durable, in batches as large as have come together.
//!
//! `cargo run --release -p gesta-file --example index_rate -- [events] [v4|v7] [events a group] [folder]`
//!
//! Prints for each tenth the rate of both together, what a lookup of a new id cost and the memory; in the end what
//! reads cost, and the CPU time of each thread. Compare only what ran side by side.

#[allow(dead_code, unused_imports, reason = "the example measures a part of it")]
#[path = "../src"]
mod file {
    pub(crate) mod index;
}
#[path = "../src/background.rs"]
mod background;

use std::{
    fs,
    io::{Seek, Write},
    path::{Path, PathBuf},
    sync::{Arc, mpsc},
    thread,
    time::{Duration, Instant},
};

use file::index::{Entry, Index, WORTHWHILE};
use gesta_core::{Direction, Incarnation, Position, StreamId, Tenant, Version};
use uuid::Uuid;

const STREAMS: usize = 100_000;
const RECORD_BYTES: usize = 520;
/// So many events may be durable and not yet applied, as in the store.
const TAIL: usize = 1 << 18;
/// So long is waited for a batch that is worthwhile.
const WAIT: Duration = Duration::from_millis(250);

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let argument = |n: usize, default: &str| arguments.get(n).map_or(default, String::as_str).to_owned();
    let events: u64 = argument(0, "1000000").parse().expect("a number of events");
    let v7 = argument(1, "v4") == "v7";
    let group: usize = argument(2, "256").parse().expect("a number of events");
    let dir = PathBuf::from(argument(3, "target/index_rate"));
    let _ = fs::remove_dir_all(&dir);
    fs::create_dir_all(&dir).expect("the folder can be made");
    println!("{events} events in groups of {group}, ids {}", if v7 { "v7" } else { "v4" });

    let index =
        Arc::new(Index::open(&dir.join("index"), Incarnation::random(), Position::START).expect("opens"));
    let (tail, durable) = mpsc::sync_channel(TAIL / group);
    let writer = {
        let (index, dir) = (Arc::clone(&index), dir.clone());
        thread::Builder::new()
            .name("log".into())
            .spawn(move || write_log(&dir, &index, events, group, v7, &tail))
    };
    let began = Instant::now();
    follow(&index, &durable, events, &dir);
    println!(
        "  all in {:.1} s, {:.0} events/s",
        began.elapsed().as_secs_f64(),
        events as f64 / began.elapsed().as_secs_f64()
    );
    let streams = writer.expect("a thread starts").join().expect("the writer ends");
    reads(&index, &streams);
    let start = Instant::now();
    drop(index);
    println!("  closed in {:?}", start.elapsed());
}

/// Applies what is durable until all is.
fn follow(index: &Index, durable: &mpsc::Receiver<Group>, events: u64, dir: &Path) {
    let (mut applied, mut batches, mut applying, mut slowest) = (0, 0, Duration::ZERO, Duration::ZERO);
    let mut tenth = (Instant::now(), 0, Duration::ZERO);
    while let Ok(group) = durable.recv() {
        let (mut entries, mut looking) = (group.entries, group.looking);
        let until = Instant::now() + WAIT;
        while entries.len() < WORTHWHILE {
            let Ok(group) = durable.recv_timeout(until.saturating_duration_since(Instant::now())) else {
                break;
            };
            entries.extend(group.entries);
            looking += group.looking;
        }
        let (start, cpu) = (Instant::now(), cpu_time());
        index.apply(&entries).expect("applies");
        applying += cpu_time() - cpu;
        slowest = slowest.max(start.elapsed());
        batches += 1;
        applied += entries.len() as u64;
        tenth.2 += looking;
        let count = applied - tenth.1;
        if count >= events / 10 || applied == events {
            println!(
                "  at {applied:>9}: {:>7.0} events/s, applying {:>4.1} us and looking up {:>4.1} us an event, RSS {} MiB, on disk {} MiB",
                count as f64 / tenth.0.elapsed().as_secs_f64(),
                applying.as_secs_f64() * 1e6 / count as f64,
                tenth.2.as_secs_f64() * 1e6 / count as f64,
                resident() >> 20,
                folder_bytes(&dir.join("index")) >> 20
            );
            (applying, tenth) = (Duration::ZERO, (Instant::now(), applied, Duration::ZERO));
        }
        if applied == events {
            break;
        }
    }
    println!("  {batches} batches, the slowest took {slowest:?}");
    for (name, cpu) in thread_times() {
        println!("  cpu of {name}: {cpu:.1} s = {:.2} us an event", cpu * 1e6 / events as f64);
    }
}

fn reads(index: &Index, streams: &[(StreamId, u64)]) {
    let tenant = Tenant::default();
    for direction in [Direction::Forwards, Direction::Backwards] {
        let start = Instant::now();
        let mut found = 0;
        for nth in 0..1_000 {
            let stream = &streams[nth * 7 % 10_000].0;
            let (after, up_to) = (Version::EMPTY, Version::new(u64::MAX));
            found +=
                index.stream_positions(&tenant, stream, after, up_to, direction, 100).expect("reads").len();
        }
        println!(
            "  100 of a stream {direction:?}: {:?} each, {found} found in 1000",
            start.elapsed() / 1_000
        );
    }
    let start = Instant::now();
    for nth in 0..10_000 {
        let stream = &streams[nth * 13 % STREAMS].0;
        index.stream_version(&tenant, stream).expect("reads");
    }
    println!("  version of a stream: {:?} each", start.elapsed() / 10_000);
}

/// Events over 100,000 streams, half of them in the first tenth.
struct Source {
    position: u64,
    streams: Vec<(StreamId, u64)>,
    dice: u64,
    v7: bool,
}

impl Source {
    fn new(v7: bool) -> Self {
        let stream = |n| (format!("account-{n:08}").parse().expect("legal"), 0);
        Self { position: 0, streams: (0..STREAMS).map(stream).collect(), dice: 88_172_645_463_325_252, v7 }
    }

    fn roll(&mut self) -> u64 {
        self.dice ^= self.dice << 13;
        self.dice ^= self.dice >> 7;
        self.dice ^= self.dice << 17;
        self.dice
    }

    fn take(&mut self, count: usize) -> Vec<Entry> {
        (0..count).map(|_| self.next()).collect()
    }

    fn next(&mut self) -> Entry {
        let dice = self.roll();
        let range = if dice & 1 == 0 { STREAMS / 10 } else { STREAMS };
        let at = (dice >> 8) as usize % range;
        self.position += 1;
        self.streams[at].1 += 1;
        let random = u128::from(self.roll()) << 64 | u128::from(self.roll());
        let id = if self.v7 { u128::from(self.position) << 72 | (random >> 64) } else { random };
        Entry {
            position: Position::new(self.position),
            tenant: Tenant::default(),
            stream: self.streams[at].0.clone(),
            version: Version::new(self.streams[at].1),
            id: Uuid::from_u128(id),
            correlation: None,
        }
    }
}

/// Events that are durable, and how long their ids were looked up.
struct Group {
    entries: Vec<Entry>,
    looking: Duration,
}

/// Does what the log's writer does. A file of 256 MiB is written again and again.
fn write_log(
    dir: &Path,
    index: &Index,
    events: u64,
    group: usize,
    v7: bool,
    tail: &mpsc::SyncSender<Group>,
) -> Vec<(StreamId, u64)> {
    let mut file = fs::File::create(dir.join("log")).expect("the log can be made");
    let records = vec![7u8; group * RECORD_BYTES];
    let mut source = Source::new(v7);
    let mut written = 0;
    while source.position < events {
        let entries = source.take(group.min((events - source.position) as usize));
        let start = cpu_time();
        for entry in &entries {
            assert_eq!(index.find_id(&entry.tenant, entry.id).expect("asks"), None);
        }
        let looking = cpu_time() - start;
        file.write_all(&records).expect("writes");
        file.sync_data().expect("syncs");
        written += records.len();
        if written > 256 << 20 {
            file.rewind().expect("goes back");
            written = 0;
        }
        tail.send(Group { entries, looking }).expect("somebody follows");
    }
    source.streams
}

fn resident() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap_or("VmRSS: 0");
    line.split_whitespace().nth(1).and_then(|kib| kib.parse::<u64>().ok()).unwrap_or(0) << 10
}

/// How long this thread has run: wall time would tell what else runs on the machine.
fn cpu_time() -> Duration {
    let text = fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    Duration::from_nanos(text.split(' ').next().and_then(|nanos| nanos.parse().ok()).unwrap_or(0))
}

/// User and system time of every thread, in seconds.
fn thread_times() -> Vec<(String, f64)> {
    let Ok(tasks) = fs::read_dir("/proc/self/task") else { return Vec::new() };
    let mut times = Vec::new();
    for task in tasks.flatten() {
        let stat = fs::read_to_string(task.path().join("stat")).unwrap_or_default();
        let Some((head, tail)) = stat.rsplit_once(')') else { continue };
        let fields: Vec<f64> = tail.split_whitespace().filter_map(|f| f.parse().ok()).collect();
        let name = head.split_once('(').map_or("", |(_, name)| name).to_owned();
        // After the letter of the state, which is no number: utime and stime are the 11th and 12th.
        times.push((name, (fields[10] + fields[11]) / 100.0));
    }
    times
}

fn folder_bytes(dir: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(dir) else { return 0 };
    let size = |entry: fs::DirEntry| {
        let Ok(meta) = entry.metadata() else { return 0 };
        if meta.is_dir() { folder_bytes(&entry.path()) } else { meta.len() }
    };
    entries.flatten().map(size).sum()
}
