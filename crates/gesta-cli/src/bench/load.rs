//! Requests over many connections, one after the other or at a fixed rate.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use hdrhistogram::Histogram;
use tokio::sync::mpsc;

use super::{pace::Pace, request::Request, wire::Connection};

/// Histograms are shared by this many connections each at most: one a connection would take too much memory.
const SHARDS: usize = 16;

/// How long requests that are out at the end may still take.
const GRACE: Duration = Duration::from_secs(10);

/// At a fixed rate whatever falls into so long a time is due at its end: waking up for each request would take a third
/// of a core from the server.
const BUNCH: Duration = Duration::from_micros(250);

/// What to do, and how long.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) address: SocketAddr,
    pub(crate) connections: usize,
    /// Requests a second over all connections; as many as go when `None`.
    pub(crate) rate: Option<f64>,
    pub(crate) warm_up: Duration,
    pub(crate) duration: Duration,
    /// Over how many streams the requests are spread.
    pub(crate) streams: u32,
}

/// What has come of it, the warm-up left out.
pub(crate) struct Measured {
    /// Microseconds from when a request was due to the end of its answer; of one that was never sent, to the end of
    /// the run: it would have taken longer still.
    pub(crate) latency: Histogram<u64>,
    /// Requests that succeeded.
    pub(crate) succeeded: u64,
    /// Requests that did not, by status, or `connection` where there was no answer.
    pub(crate) failed: BTreeMap<String, u64>,
    /// Requests that were due and could not be sent before the end, because their connection was busy.
    pub(crate) unanswered: u64,
    /// How long was measured.
    pub(crate) took: Duration,
}

/// What the connections write to while they run.
struct Shared {
    plan: Plan,
    epoch: Instant,
    shards: Vec<Mutex<Histogram<u64>>>,
    failed: Mutex<BTreeMap<String, u64>>,
    succeeded: AtomicU64,
    unanswered: AtomicU64,
    over: AtomicBool,
}

/// A histogram from a microsecond to ten minutes, exact to three digits.
pub(crate) fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, 600_000_000, 3).expect("the bounds are legal")
}

/// Runs the plan. `epoch` is when time zero of the events is.
pub(crate) async fn run(plan: Plan, request: &Request, epoch: Instant) -> std::io::Result<Measured> {
    let mut open = Vec::with_capacity(plan.connections);
    for _ in 0..plan.connections {
        open.push(Connection::open(plan.address).await?);
    }
    let shared = Arc::new(Shared {
        plan,
        epoch,
        shards: (0..SHARDS).map(|_| Mutex::new(histogram())).collect(),
        failed: Mutex::default(),
        succeeded: AtomicU64::new(0),
        unanswered: AtomicU64::new(0),
        over: AtomicBool::new(false),
    });
    let begin = epoch.elapsed();
    let ticks = schedule(&shared, begin)?;
    let tasks: Vec<_> = open
        .into_iter()
        .zip(ticks)
        .enumerate()
        .map(|(number, (connection, ticks))| {
            let worker = Worker { number, shared: shared.clone(), request: request.clone(), begin };
            tokio::spawn(worker.run(connection, ticks))
        })
        .collect();
    let whole = shared.plan.warm_up + shared.plan.duration;
    tokio::time::sleep_until((epoch + begin + whole).into()).await;
    shared.over.store(true, Ordering::SeqCst);
    let finish = async {
        for task in tasks {
            let _ = task.await;
        }
    };
    let _ = tokio::time::timeout(GRACE, finish).await;
    Ok(shared.measured())
}

impl Shared {
    fn failed(&self) -> MutexGuard<'_, BTreeMap<String, u64>> {
        self.failed.lock().expect("no holder of this lock panics")
    }

    fn measured(&self) -> Measured {
        let mut latency = histogram();
        for shard in &self.shards {
            let shard = shard.lock().expect("no holder of this lock panics");
            latency.add(&*shard).expect("all histograms have the same bounds");
        }
        Measured {
            succeeded: self.succeeded.load(Ordering::SeqCst),
            latency,
            failed: self.failed().clone(),
            unanswered: self.unanswered.load(Ordering::SeqCst),
            took: self.plan.duration,
        }
    }
}

/// When each connection is to send, in nanoseconds of the epoch; `None` to send without a pause.
type Ticks = Option<mpsc::UnboundedReceiver<u64>>;

/// Starts the task that says when to send: each connection gets every n-th request, however long its last answer takes.
fn schedule(shared: &Arc<Shared>, begin: Duration) -> std::io::Result<Vec<Ticks>> {
    let connections = shared.plan.connections;
    let Some(rate) = shared.plan.rate else { return Ok((0..connections).map(|_| None).collect()) };
    let (senders, receivers): (Vec<_>, Vec<_>) = (0..connections).map(|_| mpsc::unbounded_channel()).unzip();
    tokio::spawn(send_at(rate, Pace::every(BUNCH)?, begin, shared.clone(), senders));
    Ok(receivers.into_iter().map(Some).collect())
}

async fn send_at(
    rate: f64,
    pace: Pace,
    begin: Duration,
    shared: Arc<Shared>,
    senders: Vec<mpsc::UnboundedSender<u64>>,
) {
    let whole = shared.plan.warm_up + shared.plan.duration;
    let mut next = senders.iter().cycle();
    let (mut bunch, mut sent) = (Duration::ZERO, 0.0);
    while bunch < whole && !shared.over.load(Ordering::Relaxed) {
        if pace.tick().await.is_err() {
            return;
        }
        // Ticks may come late, and several as one: each bunch is due at its own time all the same.
        while bunch + BUNCH <= shared.epoch.elapsed().saturating_sub(begin) && bunch < whole {
            bunch += BUNCH;
            while sent < rate * bunch.as_secs_f64() {
                let _ = next.next().map(|sender| sender.send(nanos(begin + bunch)));
                sent += 1.0;
            }
        }
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// One connection at work.
struct Worker {
    number: usize,
    shared: Arc<Shared>,
    request: Request,
    begin: Duration,
}

impl Worker {
    async fn run(mut self, mut connection: Connection, mut ticks: Ticks) {
        let mut random = 0x9e37_79b9_7f4a_7c15 ^ (self.number as u64 + 1);
        while !self.shared.over.load(Ordering::Relaxed) {
            let due = match &mut ticks {
                None => nanos(self.shared.epoch.elapsed()),
                Some(ticks) => match ticks.recv().await {
                    Some(due) => due,
                    None => return,
                },
            };
            let counts = self.counts(due);
            let stream = self.stream(&mut random);
            let answer = connection.call(self.request.patched(stream, due)).await;
            let took = self.shared.epoch.elapsed() - Duration::from_nanos(due);
            if counts {
                self.count(&answer, took);
            }
            if answer.is_err() {
                match self.reconnect().await {
                    Some(another) => connection = another,
                    None => break,
                }
            }
        }
        self.leave(ticks);
    }

    /// Whether a request due then is measured.
    fn counts(&self, due: u64) -> bool {
        Duration::from_nanos(due) >= self.begin + self.shared.plan.warm_up
    }

    /// Counts what was due and is not sent any more: leaving it out would make an overloaded server look fast.
    fn leave(&self, ticks: Ticks) {
        let Some(mut ticks) = ticks else { return };
        let now = self.shared.epoch.elapsed();
        while let Ok(due) = ticks.try_recv() {
            if self.counts(due) {
                self.shared.unanswered.fetch_add(1, Ordering::Relaxed);
                self.record(now.saturating_sub(Duration::from_nanos(due)));
            }
        }
    }

    fn record(&self, took: Duration) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let shard = &self.shared.shards[self.number % SHARDS];
        shard.lock().expect("no holder of this lock panics").saturating_record(micros.max(1));
    }

    /// A stream, low numbers more often: the square of an even choice.
    fn stream(&self, random: &mut u64) -> u32 {
        *random ^= *random << 13;
        *random ^= *random >> 7;
        *random ^= *random << 17;
        let even = *random >> 32;
        let skewed = (even * even) >> 32;
        u32::try_from((skewed * u64::from(self.shared.plan.streams)) >> 32).unwrap_or(0)
    }

    fn count(&self, answer: &std::io::Result<u16>, took: Duration) {
        match answer {
            Ok(200..=299) => {
                self.shared.succeeded.fetch_add(1, Ordering::Relaxed);
                self.record(took);
            }
            Ok(status) => *self.shared.failed().entry(status.to_string()).or_default() += 1,
            Err(_) => *self.shared.failed().entry("connection".to_owned()).or_default() += 1,
        }
    }

    async fn reconnect(&self) -> Option<Connection> {
        while !self.shared.over.load(Ordering::Relaxed) {
            if let Ok(connection) = Connection::open(self.shared.plan.address).await {
                return Some(connection);
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        None
    }
}
