//! Many writers on one stream, over memory and over the file store.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use async_trait::async_trait;
use gesta::{Command, Repository, repository::ExecuteError, snapshot::SnapshotPolicy};
use gesta_conformance::around::{Around, AroundStore};
use gesta_core::{
    AppendBatch, AppendError, Appended, EventStore, MemorySnapshots, MemoryStore, SnapshotStore,
};
use gesta_file::{FileStore, Options};
use tokio::{sync::Barrier, task::JoinSet};

use super::concert::{Concert, ConcertCommand, events, open, sell, tenant};

const WRITERS: u32 = 200;

/// Holds the first append of every writer back until all have read: so all decide on the same version.
struct Crowd {
    store: Arc<dyn EventStore>,
    appends: AtomicUsize,
    gate: Barrier,
}

#[async_trait]
impl AroundStore for Crowd {
    fn store(&self) -> &dyn EventStore {
        &*self.store
    }
    async fn append(&self, batch: AppendBatch) -> Result<Appended, AppendError> {
        // The very first opens the concert.
        let turn = self.appends.fetch_add(1, Ordering::SeqCst);
        if (1..=WRITERS as usize).contains(&turn) {
            self.gate.wait().await;
        }
        self.store.append(batch).await
    }
}

/// OR-40, OR-31: every writer sells its own seat; each has a repository of its own, as if in a process of its own.
async fn two_hundred_writers(store: Arc<dyn EventStore>, snapshots: Arc<dyn SnapshotStore>) {
    let gate = Barrier::new(WRITERS as usize);
    let store = Arc::new(Around(Crowd { store, appends: AtomicUsize::default(), gate }));
    let policy = SnapshotPolicy { every: 20, ..SnapshotPolicy::default() };
    let repository = || Repository::<Concert>::new(store.clone()).with_snapshots(snapshots.clone(), policy);
    repository().execute(Command::new("1", open(WRITERS))).await.expect("opens");
    let mut writers = JoinSet::new();
    for seat in 0..WRITERS {
        let concerts = repository();
        writers.spawn(async move { (seat, concerts.execute(Command::new("1", sell(seat))).await) });
    }
    let (mut won, mut lost, mut versions) = (BTreeSet::new(), 0, BTreeSet::new());
    for (seat, outcome) in writers.join_all().await {
        match outcome {
            Ok(executed) => {
                assert!(versions.insert(executed.version), "version {} was given twice", executed.version);
                assert!(executed.state.sold.contains_key(&seat), "a success sees itself");
                won.insert(seat);
            }
            Err(ExecuteError::Conflict { attempts, conflict }) => {
                assert!(attempts == 3 && !conflict.expected.accepts(conflict.actual));
                lost += 1;
            }
            Err(other) => panic!("neither success nor conflict: {other}"),
        }
    }
    let stored = events(&*store).await;
    let dense: Vec<u64> = (1..=stored.len() as u64).collect();
    assert_eq!(stored.iter().map(|event| event.version.get()).collect::<Vec<_>>(), dense, "no version twice");
    let state = repository().load(&tenant(), "1").await.expect("loads").expect("is there").state;
    assert_eq!(
        state.sold.keys().copied().collect::<BTreeSet<_>>(),
        won,
        "every success is there, and nothing else"
    );
    assert!(!won.is_empty() && won.len() + lost == WRITERS as usize);
    assert!(store.appends.load(Ordering::SeqCst) > 2 * WRITERS as usize - 1, "all but one were overtaken");
    println!("{} of {WRITERS} writers succeeded, {lost} reported a conflict", won.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_hundred_writers_never_store_a_version_twice_in_memory() {
    two_hundred_writers(Arc::new(MemoryStore::new()), Arc::new(MemorySnapshots::default())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_hundred_writers_never_store_a_version_twice_in_files() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = FileStore::open(dir.path().join("data"), Options::default()).expect("opens");
    let snapshots = store.snapshots();
    let store = Arc::new(store);
    two_hundred_writers(store.clone(), snapshots).await;
    store.close().await;
}

/// One seat, many buyers: exactly one gets it, all others hear why not.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_rule_holds_under_contention() {
    let store = Arc::new(MemoryStore::new());
    let concerts = Repository::<Concert>::new(store.clone()).with_attempts(WRITERS);
    concerts.execute(Command::new("1", open(1))).await.expect("opens");
    let mut buyers = JoinSet::new();
    for buyer in 0..WRITERS {
        let concerts = concerts.clone();
        let sale = ConcertCommand::Sell { seats: vec![0], to: buyer.to_string() };
        buyers.spawn(async move { concerts.execute(Command::new("1", sale)).await });
    }
    let outcomes = buyers.join_all().await;
    let sold = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
    let rejected =
        outcomes.iter().filter(|outcome| matches!(outcome, Err(ExecuteError::Rejected(_)))).count();
    assert_eq!((sold, rejected, events(&*store).await.len()), (1, WRITERS as usize - 1, 2));
}

/// Twenty executions of one command at once: one effect, one result.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_command_executed_at_once_by_many_takes_effect_once() {
    let store = Arc::new(MemoryStore::new());
    let concerts = Repository::<Concert>::new(store.clone()).with_attempts(50);
    concerts.execute(Command::new("1", open(9))).await.expect("opens");
    let sale = Command::new("1", sell(5));
    let mut tries = JoinSet::new();
    for _ in 0..20 {
        let (concerts, sale) = (concerts.clone(), sale.clone());
        tries.spawn(async move { concerts.execute(sale).await });
    }
    let results: Vec<_> =
        tries.join_all().await.into_iter().map(|result| result.expect("succeeds")).collect();
    assert_eq!(results.iter().filter(|result| !result.repeated).count(), 1);
    assert!(results.iter().all(|result| result.appended == results[0].appended));
    assert_eq!(events(&*store).await.len(), 2);
}

/// OR-24: after a restart, and when the state has moved on.
#[tokio::test]
async fn a_command_is_known_after_the_files_are_opened_again() {
    let dir = tempfile::tempdir().expect("a folder");
    let opened = || {
        let store = FileStore::open(dir.path().join("data"), Options::default()).expect("opens");
        let (snapshots, store) = (store.snapshots(), Arc::new(store));
        let policy = SnapshotPolicy { every: 1, ..SnapshotPolicy::default() };
        (store.clone(), Repository::<Concert>::new(store).with_snapshots(snapshots, policy))
    };
    let sale = Command::new("1", sell(5));
    let (store, concerts) = opened();
    concerts.execute(Command::new("1", open(9))).await.expect("opens");
    let first = concerts.execute(sale.clone()).await.expect("sells");
    drop(concerts);
    store.close().await;
    drop(store);

    let (store, concerts) = opened();
    concerts.execute(Command::new("1", ConcertCommand::Close)).await.expect("closes");
    let again = concerts.execute(sale).await.expect("is known");
    assert!(again.repeated);
    assert_eq!((again.version, again.state, again.appended), (first.version, first.state, first.appended));
    assert_eq!(events(&*store).await.len(), 3);
    store.close().await;
}
