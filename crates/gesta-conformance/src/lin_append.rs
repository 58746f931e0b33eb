//! Concurrent clients that append, race, read, hang up and retry, and what they saw.

use std::{
    collections::BTreeMap,
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use futures_util::TryStreamExt;
use gesta_core::{
    AppendBatch, AppendError, Appended, Durability, EventStore, ExpectedVersion, Filter, NewEvent, Position,
    ReadAll, ReadStream, StreamAppend, StreamId, Tenant, Version,
};

use crate::{
    Backend, Dice,
    history::{History, Logged, Operation, Outcome, Wanted, What},
};

/// How much of it.
#[derive(Debug, Clone, Copy)]
pub struct Load {
    /// Clients at once, each with one call after the other.
    pub clients: u32,
    /// Calls of each.
    pub operations: u32,
    /// Streams they all write to: few make many conflicts.
    pub streams: u64,
    /// Of 100 appends so many are left without waiting for the reply.
    pub hang_ups: u64,
    /// Fixes every choice.
    pub run: u64,
}

impl Default for Load {
    fn default() -> Self {
        Self { clients: 8, operations: 100, streams: 4, hang_ups: 20, run: 1 }
    }
}

/// Lets clients loose on a backend and answers with the history; [`check`](crate::history::check) judges it. Nobody
/// else may append meanwhile.
pub async fn lin_append(backend: &dyn Backend, load: Load) -> History {
    let race = Race::start(backend, load).await;
    race.finish(false).await
}

/// The same for as long as `faults` go on, however many operations that makes. Once they are over, every append whose
/// outcome is unknown is sent again until it is known. Each client asks the backend for a store of its own.
pub async fn lin_append_under(
    backend: &dyn Backend,
    load: Load,
    faults: impl Future<Output = ()>,
) -> History {
    let race = Race::start(backend, Load { operations: u32::MAX, ..load }).await;
    faults.await;
    race.stop.store(true, Ordering::SeqCst);
    race.finish(true).await
}

/// Clients that run.
struct Race {
    start: Position,
    versions: BTreeMap<String, u64>,
    stop: Arc<AtomicBool>,
    running: Vec<tokio::task::JoinHandle<Client>>,
    closing: Client,
}

impl Race {
    async fn start(backend: &dyn Backend, load: Load) -> Self {
        let tenant = Tenant::default();
        let store = backend.store(&tenant).await;
        let start = store.head().await.expect("the head can be read").position;
        let (clock, stop) = (Arc::new(AtomicU64::new(0)), Arc::<AtomicBool>::default());
        let mut dice = Dice::of(load.run);
        let mut versions = BTreeMap::new();
        for number in 0..load.streams {
            let read = ReadStream::of(tenant.clone(), stream(number)).backwards().limit(1);
            let last: Vec<_> = store.read_stream(read).try_collect().await.expect("a stream can be read");
            versions.extend(last.iter().map(|event| (Logged::of(event).stream, event.version.get())));
        }
        let mut running = Vec::new();
        for number in 0..load.clients {
            let store = backend.store(&tenant).await;
            let client = Client::new(number, store, clock.clone(), dice.split(), load, start);
            running.push(tokio::spawn(client.run(stop.clone())));
        }
        let closing = Client::new(load.clients, store, clock, dice.split(), load, start);
        Self { start, versions, stop, running, closing }
    }

    async fn finish(self, settle: bool) -> History {
        let Self { start, versions, running, mut closing, .. } = self;
        let mut operations = Vec::new();
        for client in running {
            let mut client = client.await.expect("a client finishes");
            operations.append(&mut client.done);
            closing.unsettled.append(&mut client.unsettled);
        }
        if settle {
            closing.settle().await;
        }
        // Reads that follow a durable append see whatever hung-up calls still did before it.
        let last = NewEvent::new("lin.last", "1").with_id(closing.dice.id());
        closing.append(AppendBatch::to(stream(0), ExpectedVersion::Any, [last]), false).await;
        operations.append(&mut closing.done);
        let read = ReadAll::of(Filter::of(Tenant::default()).with_system()).after(start);
        let log: Vec<_> = closing.store.read_all(read).try_collect().await.expect("the log can be read");
        let log = log.iter().map(Logged::of).collect();
        History { start: start.get(), versions, closed: true, operations, log }
    }
}

fn stream(number: u64) -> StreamId {
    format!("lin-{number}").parse().expect("legal")
}

struct Client {
    number: u32,
    store: Arc<dyn EventStore>,
    clock: Arc<AtomicU64>,
    dice: Dice,
    load: Load,
    start: Position,
    /// The versions it last heard of.
    versions: BTreeMap<StreamId, Version>,
    sent: Vec<AppendBatch>,
    /// What it does not know the outcome of.
    unsettled: Vec<AppendBatch>,
    done: Vec<Operation>,
}

/// What a client does when it was refused: a server that is down must not make histories of nothing else.
const PAUSE: Duration = Duration::from_millis(5);
/// Most times an unknown outcome is asked for.
const TRIES: usize = 1_000;

impl Client {
    fn new(
        number: u32,
        store: Arc<dyn EventStore>,
        clock: Arc<AtomicU64>,
        dice: Dice,
        load: Load,
        start: Position,
    ) -> Self {
        Self {
            number,
            store,
            clock,
            dice,
            load,
            start,
            versions: BTreeMap::new(),
            sent: vec![],
            unsettled: vec![],
            done: vec![],
        }
    }

    async fn run(mut self, stop: Arc<AtomicBool>) -> Self {
        for _ in 0..self.load.operations {
            if stop.load(Ordering::SeqCst) {
                break;
            }
            let before = self.done.len();
            match self.dice.below(10) {
                0..6 => {
                    let (batch, hang_up) = (self.batch(), self.dice.chance(self.load.hang_ups, 100));
                    self.sent.push(batch.clone());
                    self.append(batch, hang_up).await;
                }
                6 if !self.sent.is_empty() => {
                    let batch = self.dice.pick(&self.sent).clone();
                    self.append(batch, false).await;
                }
                7 => self.read_log().await,
                _ => self.read_stream().await,
            }
            if self.done[before..].iter().all(Operation::is_refused) {
                tokio::time::sleep(PAUSE).await;
            }
        }
        self
    }

    /// Sends what is unknown again until it is known.
    async fn settle(&mut self) {
        for batch in std::mem::take(&mut self.unsettled) {
            let mut tries = 0;
            loop {
                self.append(batch.clone(), false).await;
                if self.unsettled.pop().is_none() && !self.done.last().is_some_and(Operation::is_refused) {
                    break;
                }
                tries += 1;
                assert!(tries < TRIES, "an unknown outcome is never settled");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }

    fn batch(&mut self) -> AppendBatch {
        let several = self.store.capabilities().multi_stream && self.dice.chance(1, 4);
        let first = self.dice.below(self.load.streams);
        let streams = if several { vec![first, (first + 1) % self.load.streams] } else { vec![first] };
        let appends = streams.into_iter().map(|number| {
            let stream = stream(number);
            let known = self.versions.get(&stream).copied().unwrap_or_default();
            let expected = match self.dice.below(4) {
                0 => ExpectedVersion::Any,
                1 if known == Version::EMPTY => ExpectedVersion::NoStream,
                _ => ExpectedVersion::Exact(known),
            };
            let count = self.dice.between(1, 3);
            let events =
                (0..count).map(|n| NewEvent::new("lin", n.to_string()).with_id(self.dice.id())).collect();
            StreamAppend { stream, expected, events }
        });
        let appends = appends.collect();
        AppendBatch { tenant: Tenant::default(), appends, durability: Durability::Durable }
    }

    async fn append(&mut self, batch: AppendBatch, hang_up: bool) {
        let appends = batch.appends.iter().map(|append| Wanted {
            stream: self.stream_key(&append.stream),
            expected: append.expected,
            ids: append.events.iter().map(|event| event.id).collect(),
        });
        let appends: Vec<_> = appends.collect();
        let streams: Vec<_> = batch.events().map(|(stream, _)| stream.clone()).collect();
        let patience =
            if hang_up { Duration::from_micros(self.dice.below(500)) } else { Duration::from_secs(60) };
        let invoked = self.tick();
        let answer = tokio::time::timeout(patience, self.store.append(batch.clone())).await;
        let returned = self.tick();
        let outcome = match answer {
            // A reply that came in time is lost on the way: the caller cannot tell the two apart.
            _ if hang_up => Outcome::Unknown,
            Err(_) => Outcome::Unknown,
            Ok(answer) => self.heard(answer, &streams),
        };
        let unknown = matches!(outcome, Outcome::Unknown);
        if unknown {
            self.unsettled.push(batch);
        }
        let returned = if unknown { u64::MAX } else { returned };
        self.note(invoked, returned, What::Append { appends, outcome });
    }

    fn heard(&mut self, answer: Result<Appended, AppendError>, streams: &[StreamId]) -> Outcome {
        match answer {
            Ok(appended) => {
                for (stream, event) in streams.iter().zip(&appended.events) {
                    self.versions.insert(stream.clone(), event.version);
                }
                let places = appended.events.iter().map(|e| (e.position.get(), e.version.get())).collect();
                Outcome::Acknowledged { places, repeated: appended.repeated }
            }
            Err(AppendError::Conflict(conflict)) => {
                self.versions.insert(conflict.stream.clone(), conflict.actual);
                let stream = self.stream_key(&conflict.stream);
                Outcome::Conflict { stream, actual: conflict.actual.get() }
            }
            Err(AppendError::Unknown { .. }) => Outcome::Unknown,
            Err(_) => Outcome::Refused,
        }
    }

    async fn read_log(&mut self) {
        let after = Position::new(self.start.get() + self.dice.below(self.done.len() as u64));
        let limit = if self.dice.chance(1, 2) { 5 } else { usize::MAX };
        let read = ReadAll::of(Filter::of(Tenant::default()).with_system()).after(after).limit(limit);
        let invoked = self.tick();
        let answer: Result<Vec<_>, _> = self.store.read_all(read).try_collect().await;
        let returned = self.tick();
        let Ok(saw) = answer else { return };
        let saw: Vec<_> = saw.iter().map(Logged::of).collect();
        let limited = saw.len() == limit;
        self.note(invoked, returned, What::Read { stream: None, after: after.get(), limited, saw });
    }

    async fn read_stream(&mut self) {
        let (stream, after) = (stream(self.dice.below(self.load.streams)), self.dice.below(20));
        let read = ReadStream::of(Tenant::default(), stream.clone()).after(Version::new(after));
        let invoked = self.tick();
        let answer: Result<Vec<_>, _> = self.store.read_stream(read).try_collect().await;
        let returned = self.tick();
        let Ok(saw) = answer else { return };
        let saw: Vec<_> = saw.iter().map(Logged::of).collect();
        if let Some(last) = saw.last() {
            self.versions.insert(stream.clone(), Version::new(last.version));
        }
        let stream = Some(self.stream_key(&stream));
        self.note(invoked, returned, What::Read { stream, after, limited: false, saw });
    }

    fn stream_key(&self, stream: &StreamId) -> String {
        format!("{}/{stream}", Tenant::default())
    }

    fn note(&mut self, invoked: u64, returned: u64, what: What) {
        self.done.push(Operation { client: self.number, invoked, returned, what });
    }

    fn tick(&self) -> u64 {
        self.clock.fetch_add(1, Ordering::SeqCst)
    }
}
