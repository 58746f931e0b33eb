//! Hints from one process to another, and what happens without them.

use std::time::{Duration, Instant};

use futures_util::TryStreamExt;
use gesta_conformance::fault_proxy::{Fault, FaultProxy, Side};
use gesta_core::{
    AppendBatch, EventStore, ExpectedVersion, Filter, NewEvent, Position, ReadAll, Tenant, Wakeups,
};
use gesta_postgres::{Options, PostgresStore};
use tokio::time::timeout;

use crate::{
    cluster,
    support::{self, Database},
};

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(30);
/// No look at the head comes in this test.
const NEVER: Duration = Duration::from_secs(3_600);

fn one(n: u64) -> AppendBatch {
    let event = NewEvent::new("tried", n.to_string());
    AppendBatch::to("wake-1".parse().expect("legal"), ExpectedVersion::Any, [event])
}

async fn connect(url: &str, poll: Duration) -> PostgresStore {
    PostgresStore::connect(url, Options::default().poll(poll)).await.expect("connects")
}

/// Until so many stores listen: what was notified before nobody hears.
async fn until_listening(database: &Database, stores: i64) {
    let look = database.client().await;
    let sql = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state = 'idle'
               AND query LIKE '%gesta_log%'";
    let began = Instant::now();
    while look.query_one(sql, &[]).await.expect("asked").get::<_, i64>(0) < stores {
        assert!(began.elapsed() < PATIENCE, "nobody listens");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn until_woken(wakeups: &mut Wakeups, head: u64) {
    while timeout(PATIENCE, wakeups.next()).await.expect("a hint comes").get() < head {}
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_append_of_one_process_wakes_another_long_before_it_looks() {
    let database = support::database().await;
    let (one_store, other) = (connect(&database.url(), NEVER).await, connect(&database.url(), NEVER).await);
    until_listening(&database, 2).await;
    let mut wakeups = other.wakeups();
    for n in 1..=20 {
        one_store.append(one(n)).await.expect("appends");
        until_woken(&mut wakeups, n).await;
        let read = ReadAll::of(Filter::of(Tenant::default())).after(Position::new(n - 1));
        let found: Vec<_> = other.read_all(read).try_collect().await.expect("read");
        assert_eq!(found.len(), 1, "what a hint tells of can be read");
    }
    one_store.close().await;
    other.close().await;
}

/// The connection ends whenever a notification comes by: the look now and then is all there is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_notifications_the_look_finds_everything() {
    let database = support::database().await;
    let one_store = connect(&database.url(), NEVER).await;
    let server = database.url();
    let address = server.split('@').nth(1).and_then(|rest| rest.split('/').next()).expect("an address");
    let proxy = FaultProxy::before(address.parse().expect("an address"), 1).await.expect("a proxy");
    proxy.set(Side::Reply, [Fault::cut_before("gesta_log\0")]);
    let other = connect(&cluster::url(proxy.address(), database.name()), Duration::from_millis(50)).await;
    until_listening(&database, 2).await;
    let (mut wakeups, before) = (other.wakeups(), proxy.connections());
    for n in 1..=5 {
        one_store.append(one(n)).await.expect("appends");
        until_woken(&mut wakeups, n).await;
    }
    let began = Instant::now();
    while proxy.connections() == before {
        assert!(began.elapsed() < PATIENCE, "no notification was lost: the test tries nothing");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    one_store.close().await;
    other.close().await;
}

/// Whoever listens again learns at once of what it may have missed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_missed_while_nobody_listened_is_found_when_listening_again() {
    let database = support::database().await;
    let (one_store, other) = (connect(&database.url(), NEVER).await, connect(&database.url(), NEVER).await);
    until_listening(&database, 2).await;
    let mut wakeups = other.wakeups();
    let sql = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()
               AND query LIKE '%gesta_log%' AND pid <> pg_backend_pid()";
    database.client().await.batch_execute(sql).await.expect("thrown out");
    one_store.append(one(1)).await.expect("appends");
    until_woken(&mut wakeups, 1).await;
    one_store.close().await;
    other.close().await;
}
