//! `gapless`: whoever has seen a position has seen every one before it, however numbering and commits of several
//! processes fall together. The schedules are those by which stores of this kind have skipped events before.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures_util::TryStreamExt;
use gesta_conformance::Dice;
use gesta_core::{
    AppendBatch, AppendError, EventStore, ExpectedVersion, Filter, NewEvent, Position, ReadAll,
    RecordedEvent, Tenant,
};
use gesta_postgres::PostgresStore;
use tokio::{sync::watch, task::JoinHandle, time::timeout};
use tokio_postgres::Client;
use uuid::Uuid;

use crate::support::{self, Database, sizes};

mod schedules;

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(60);

/// What was done, and what went wrong.
#[derive(Debug, Default)]
struct Figures {
    appends: u64,
    aborts: u64,
    held: u64,
    polls: u64,
    /// Positions that a reader found missing before one that it saw.
    gaps: u64,
    /// Events that are in the log, at or before a position that a reader had reached, and that it never saw.
    skips: u64,
    /// Events seen behind a later one, or twice.
    reorderings: u64,
    /// Appends that were refused although nothing was wrong with them.
    refused: u64,
}

impl Figures {
    fn print(&self) {
        let Self { appends, aborts, held, polls, gaps, skips, reorderings, refused } = self;
        println!(
            "gapless: gaps {gaps}, skips {skips}, reorderings {reorderings}, refused {refused} in {appends} appends, {held} \
             of them held open between numbering and commit, {aborts} aborted, {polls} polls"
        );
    }

    fn wrong(&self) -> u64 {
        self.gaps + self.skips + self.reorderings + self.refused
    }

    /// Compares what a reader saw with the log as it is in the end.
    fn compare(&mut self, saw: &[RecordedEvent], log: &[RecordedEvent]) {
        let mut last = 0;
        for event in saw {
            let position = event.position.get();
            self.gaps += position.saturating_sub(last + 1);
            self.reorderings += u64::from(position <= last);
            last = last.max(position);
        }
        let mut seen: HashMap<Uuid, u64> = HashMap::new();
        saw.iter().for_each(|event| *seen.entry(event.id).or_default() += 1);
        self.reorderings += seen.values().filter(|times| **times > 1).count() as u64;
        let there = log.iter().filter(|event| event.position.get() <= last);
        self.skips += there.filter(|event| !seen.contains_key(&event.id)).count() as u64;
    }
}

/// What keeps positions unique and in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Guard {
    Whole,
    /// The lock of the log is gone.
    NoLock,
    /// And the keys behind it.
    Nothing,
}

impl Guard {
    async fn apply(self, database: &Database) {
        let lock = "CREATE OR REPLACE FUNCTION gesta.lock_log() RETURNS void LANGUAGE sql AS $$ $$;";
        let keys = "ALTER TABLE gesta.events DROP CONSTRAINT events_pkey, DROP CONSTRAINT events_version,
                        DROP CONSTRAINT events_id;
                    CREATE INDEX ON gesta.events (position); CREATE INDEX ON gesta.events (tenant, stream, version);
                    CREATE INDEX ON gesta.events (tenant, id);";
        let sql = match self {
            Self::Whole => String::new(),
            Self::NoLock => lock.into(),
            Self::Nothing => format!("{lock}{keys}"),
        };
        database.client().await.batch_execute(&sql).await.expect("applied");
    }
}

/// One event, appended by hand in whatever transaction the session is in; its position.
pub(crate) async fn by_hand(session: &Client, stream: &str) -> Result<i64, tokio_postgres::Error> {
    let sql = "SELECT after + 1 FROM gesta.append(ARRAY['default'], ARRAY[$1::text], ARRAY[NULL::bigint], ARRAY['default'],
               ARRAY[$1::text], ARRAY[1], ARRAY[1::bigint], ARRAY[$2::uuid], ARRAY['hand'], ARRAY[1::bigint],
               ARRAY['application/json'], ARRAY[NULL::bigint], ARRAY['{}'::bytea], ARRAY['1'::bytea], ARRAY[]::text[], ARRAY[]::uuid[])";
    Ok(session.query_one(sql, &[&stream, &Uuid::new_v4()]).await?.get(0))
}

fn batch(stream: &str, events: u64) -> AppendBatch {
    let events = (0..events).map(|n| NewEvent::new("tried", n.to_string()));
    AppendBatch::to(stream.parse().expect("legal"), ExpectedVersion::Any, events)
}

/// Everything behind a position, as a reader of the log finds it now.
async fn after(store: &PostgresStore, position: u64) -> Vec<RecordedEvent> {
    let read = ReadAll::of(Filter::of(Tenant::default()).with_system()).after(Position::new(position));
    store.read_all(read).try_collect().await.expect("the log can be read")
}

/// The log as its table holds it: also where two events share a position.
async fn log(store: &PostgresStore) -> Vec<RecordedEvent> {
    after(store, 0).await
}

/// Readers that read on from the last position they saw, as fast as they can.
struct Readers {
    stop: Arc<AtomicBool>,
    polls: watch::Receiver<u64>,
    running: Vec<JoinHandle<Vec<RecordedEvent>>>,
}

impl Readers {
    fn start(stores: &[PostgresStore], enough: usize) -> Self {
        let stop = Arc::<AtomicBool>::default();
        let (polled, polls) = watch::channel(0);
        let polled = Arc::new(polled);
        let running = stores.iter().take(enough).map(|store| {
            let (store, stop, polled) = (store.clone(), stop.clone(), polled.clone());
            tokio::spawn(async move {
                let mut saw: Vec<RecordedEvent> = Vec::new();
                loop {
                    // Looked at before the poll: the last one is after everything else has ended.
                    let last = stop.load(Ordering::SeqCst);
                    let from = saw.iter().map(|event| event.position.get()).max().unwrap_or(0);
                    saw.extend(after(&store, from).await);
                    polled.send_modify(|polls| *polls += 1);
                    if last {
                        return saw;
                    }
                }
            })
        });
        let running = running.collect();
        Self { stop, polls, running }
    }

    /// Until so many more polls were made.
    async fn more(&self, polls: u64) {
        let mut now = self.polls.clone();
        let wanted = *now.borrow() + polls;
        now.wait_for(|polls| *polls >= wanted).await.expect("readers go on");
    }

    async fn end(self) -> (u64, Vec<Vec<RecordedEvent>>) {
        self.stop.store(true, Ordering::SeqCst);
        let mut saw = Vec::new();
        for reader in self.running {
            saw.push(reader.await.expect("a reader ends"));
        }
        let polls = *self.polls.borrow();
        (polls, saw)
    }
}

/// Appends through one store until told to stop.
async fn append(store: PostgresStore, mut dice: Dice, stop: Arc<AtomicBool>) -> (u64, u64) {
    let (mut appends, mut refused) = (0, 0);
    while !stop.load(Ordering::SeqCst) {
        let stream = format!("gap-{}", dice.below(5));
        appends += 1;
        match store.append(batch(&stream, dice.between(1, 3))).await {
            Ok(_) => {}
            Err(AppendError::Busy { .. } | AppendError::Unavailable { .. }) => refused += 1,
            Err(other) => panic!("an append without expectation: {other}"),
        }
    }
    (appends, refused)
}

/// Numbers events by hand, holds them open until readers have looked, and commits or aborts.
async fn hold(session: &Client, readers: &Readers, dice: &mut Dice, times: u64, figures: &mut Figures) {
    for _ in 0..times {
        session.batch_execute("BEGIN").await.expect("begins");
        let numbered = by_hand(session, &format!("held-{}", dice.below(3))).await;
        readers.more(dice.between(1, 6)).await;
        let abort = dice.chance(1, 3);
        let end = if abort { "ROLLBACK" } else { "COMMIT" };
        let ended = session.batch_execute(end).await;
        match (numbered, ended) {
            (Ok(_), Ok(())) => {
                figures.held += 1;
                figures.appends += 1;
                figures.aborts += u64::from(abort);
            }
            _ => {
                figures.refused += 1;
                let _ = session.batch_execute("ROLLBACK").await;
            }
        }
    }
}

/// Three stores and two sessions by hand append at once, three readers poll; compared in the end.
async fn storm(guard: Guard, times: u64, run: u64) -> Figures {
    let database = support::database().await;
    let stores = [database.store().await, database.store().await, database.store().await];
    guard.apply(&database).await;
    let (mut dice, stop) = (Dice::of(run), Arc::<AtomicBool>::default());
    let readers = Readers::start(&stores, 3);
    let clients = stores.iter().flat_map(|store| [store.clone(), store.clone()]);
    let clients: Vec<_> =
        clients.map(|store| tokio::spawn(append(store, dice.split(), stop.clone()))).collect();
    let (one, two) = (database.client().await, database.client().await);
    let (mut figures, mut others) = (Figures::default(), Figures::default());
    let (mut first, mut second) = (dice.split(), dice.split());
    let held = async {
        tokio::join!(
            hold(&one, &readers, &mut first, times, &mut figures),
            hold(&two, &readers, &mut second, times, &mut others)
        )
    };
    timeout(PATIENCE * u32::try_from(times).expect("few"), held).await.expect("everybody goes on");
    stop.store(true, Ordering::SeqCst);
    for client in clients {
        let (appends, refused) = client.await.expect("a client ends");
        figures.appends += appends;
        figures.refused += refused;
    }
    let (polls, saw) = readers.end().await;
    figures.appends += others.appends;
    figures.aborts += others.aborts;
    figures.held += others.held;
    figures.refused += others.refused;
    figures.polls = polls;
    let log = log(&stores[0]).await;
    saw.iter().for_each(|saw| figures.compare(saw, &log));
    figures.compare(&log, &log);
    for store in stores {
        store.close().await;
    }
    figures
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_is_skipped_while_others_number_hold_and_abort() {
    let (times, run) = (sizes::rounds(10), sizes::run());
    let figures = storm(Guard::Whole, times, run).await;
    figures.print();
    assert_eq!(figures.wrong(), 0, "{figures:?}");
    assert!(figures.aborts > 0 && figures.held > 0 && figures.polls > 0, "{figures:?}");
}

/// Without the lock the keys turn what would be two events in one place into refusals.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_lock_appends_are_refused() {
    let figures = storm(Guard::NoLock, 10, 1).await;
    assert!(figures.refused > 0, "the control is not caught: {figures:?}");
    assert_eq!(figures.gaps + figures.skips + figures.reorderings, 0, "the keys hold: {figures:?}");
    println!("gapless: control lock_log emptied is caught: {figures:?}");
}

/// Without the lock and the keys readers skip events.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_lock_and_keys_readers_skip() {
    let figures = storm(Guard::Nothing, 10, 1).await;
    assert!(figures.skips > 0 && figures.reorderings > 0, "the control is not caught: {figures:?}");
    println!("gapless: control lock and keys removed is caught: {figures:?}");
}
