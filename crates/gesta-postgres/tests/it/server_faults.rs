//! A server that is stopped, thrown out of, cut off and crowded, under load from two stores: what everybody was told is
//! compared with the log, round after round on the same data.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use async_trait::async_trait;
use futures_util::TryStreamExt;
use gesta_conformance::{
    Backend, Dice,
    fault_proxy::FaultProxy,
    history::{History, Logged, Outcome, Rule, What, check},
    lin_append::{Load, lin_append_under},
};
use gesta_core::{EventStore, Filter, Position, ReadAll, StreamCatalog, Tenant};
use gesta_postgres::{Options, PostgresStore};
use tokio_postgres::Client;

use crate::{
    cluster::{self, Cluster},
    support::sizes,
};

mod faults;
mod figures;
mod standby;

use faults::Fault;
use figures::Figures;

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(60);

/// What the servers of these tests are set to: few connections, and deadlocks that are found at once.
const SETTINGS: &str = "max_connections=40\ndeadlock_timeout=10ms\n";

/// A server, and two stores on it, each through a proxy of its own, as two processes would be.
struct Field {
    cluster: Cluster,
    database: String,
    proxies: [FaultProxy; 2],
    stores: [PostgresStore; 2],
    turn: AtomicUsize,
}

impl Field {
    async fn new(settings: &str, run: u64) -> Self {
        let cluster = Cluster::start(&format!("{SETTINGS}{settings}"));
        let database = cluster.database().await;
        let before = |run| FaultProxy::before(cluster.address(), run);
        let proxies = [before(run).await.expect("a proxy"), before(run + 1).await.expect("a proxy")];
        let options = Options::default().connections(6).connect_timeout(Duration::from_secs(3));
        let connect = async |proxy: &FaultProxy| {
            let url = cluster::url(proxy.address(), &database);
            PostgresStore::connect(&url, options.clone()).await.expect("connects")
        };
        let stores = [connect(&proxies[0]).await, connect(&proxies[1]).await];
        Self { cluster, database, proxies, stores, turn: AtomicUsize::new(0) }
    }

    async fn admin(&self) -> Client {
        self.cluster.client(&self.database).await
    }

    /// Until the log has so many more events than now.
    async fn until_grown(&self, events: u64) {
        let wanted = self.head() + events;
        self.until("the log grows", async || self.head() >= wanted).await;
    }

    fn head(&self) -> u64 {
        self.stores.iter().map(|store| store.status().head.get()).max().unwrap_or(0)
    }

    async fn until(&self, what: &str, is_so: impl AsyncFn() -> bool) {
        let began = Instant::now();
        while !is_so().await {
            assert!(began.elapsed() < PATIENCE, "never: {what}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    async fn close(self) {
        for store in &self.stores {
            store.close().await;
        }
    }
}

#[async_trait]
impl Backend for Field {
    async fn store(&self, _: &Tenant) -> Arc<dyn EventStore> {
        Arc::new(self.stores[self.turn.fetch_add(1, Ordering::SeqCst) % 2].clone())
    }

    async fn catalog(&self, _: &Tenant) -> Arc<dyn StreamCatalog> {
        Arc::new(self.stores[0].clone())
    }
}

/// One fault under load, and what came of it.
async fn round(field: &Field, fault: Fault, dice: &mut Dice, figures: &mut Figures) {
    let mut choices = dice.split();
    let load = Load { clients: 8, operations: 0, streams: 4, hang_ups: 3, run: dice.number() };
    let history = lin_append_under(field, load, fault.strike(field, &mut choices)).await;
    figures.account(fault, &history);
}

/// Every fault in turn; nothing of an earlier round may have changed in the end.
async fn rounds(rounds: u64, run: u64) -> Figures {
    let field = Field::new("", run).await;
    let (mut dice, mut figures) = (Dice::of(run), Figures::default());
    for number in 0..rounds {
        round(&field, Fault::of(number), &mut dice, &mut figures).await;
    }
    figures.read_again(&whole(&field.stores[1]).await);
    field.close().await;
    figures
}

async fn whole(store: &PostgresStore) -> Vec<Logged> {
    let read = ReadAll::of(Filter::of(Tenant::default()).with_system()).after(Position::START);
    let log: Vec<_> = store.read_all(read).try_collect().await.expect("the log can be read");
    log.iter().map(Logged::of).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_doubled_or_torn_and_every_unknown_is_settled() {
    let kinds = Fault::ALL.len() as u64;
    let many = sizes::rounds(kinds);
    let figures = rounds(many, sizes::run()).await;
    figures.print("postgres");
    assert!(figures.wrong.is_empty(), "{:#?}", figures.wrong);
    let felt = figures.unknown > 0 && figures.refused > 0;
    assert!(felt || many < kinds, "no fault was felt: {figures:?}");
}

/// A server that answers commits before they are on its disk loses them when it is stopped at once; it is labelled.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commits_that_do_not_wait_for_the_disk_are_lost_and_found_out() {
    let field = Field::new("synchronous_commit=off\nwal_writer_delay=10s\n", 1).await;
    assert_eq!(field.stores[0].status().lowered, ["synchronous_commit=off"]);
    let (mut dice, mut figures) = (Dice::of(1), Figures::default());
    for _ in 0..5 {
        round(&field, Fault::Stop, &mut dice, &mut figures).await;
        if figures.of(Rule::Acknowledged) > 0 {
            break;
        }
    }
    println!(
        "postgres: control synchronous_commit=off lost {} of {} acknowledged events in {} stops, as it must",
        figures.of(Rule::Acknowledged),
        figures.acknowledged,
        figures.rounds
    );
    assert!(figures.of(Rule::Acknowledged) > 0, "the control is not caught: {figures:?}");
    field.close().await;
}
