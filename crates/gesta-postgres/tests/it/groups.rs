//! Appends that share a transaction.

use std::time::{Duration, Instant};

use gesta_core::{AppendBatch, AppendError, Appended, EventStore, ExpectedVersion, NewEvent, Version};
use gesta_postgres::PostgresStore;
use tokio::task::JoinHandle;

use crate::support::{Database, database};

fn to(stream: &str, expected: ExpectedVersion, event: &NewEvent) -> AppendBatch {
    AppendBatch::to(stream.parse().expect("legal"), expected, [event.clone()])
}

fn event() -> NewEvent {
    NewEvent::new("grouped", "{}")
}

/// Sends these appends in one group, in this order: one before them waits for the lock while they come.
async fn in_one_group(
    database: &Database,
    store: &PostgresStore,
    batches: Vec<AppendBatch>,
) -> Vec<Result<Appended, AppendError>> {
    let holder = database.client().await;
    holder.batch_execute("BEGIN; SELECT gesta.lock_log()").await.expect("held");
    let send = |batch: AppendBatch| -> JoinHandle<Result<Appended, AppendError>> {
        let store = store.clone();
        tokio::spawn(async move { store.append(batch).await })
    };
    let first = send(to("first-1", ExpectedVersion::Any, &event()));
    let watcher = database.client().await;
    let began = Instant::now();
    let waits = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'advisory'";
    while watcher.query_one(waits, &[]).await.expect("asked").get::<_, i64>(0) == 0 {
        assert!(began.elapsed() < Duration::from_secs(4), "nobody waits for the lock");
    }
    let mut sent = Vec::new();
    for batch in batches {
        sent.push(send(batch));
        // A current-thread runtime runs it up to its wait before the next one is sent.
        tokio::task::yield_now().await;
    }
    holder.batch_execute("COMMIT").await.expect("let go");
    first.await.expect("runs").expect("appends");
    let mut answers = Vec::new();
    for answer in sent {
        answers.push(answer.await.expect("runs"));
    }
    answers
}

#[tokio::test]
async fn a_retry_is_a_repeat_although_its_expectation_is_no_longer_true() {
    let database = database().await;
    let store = database.store().await;
    let known = event();
    let stored = store.append(to("a-1", ExpectedVersion::NoStream, &known)).await.expect("appends");
    let batches = vec![
        to("a-1", ExpectedVersion::Exact(Version::new(1)), &event()),
        to("a-1", ExpectedVersion::NoStream, &known),
        to("b-1", ExpectedVersion::Any, &event()),
    ];
    let answers = in_one_group(&database, &store, batches).await;
    assert_eq!(answers[0].as_ref().expect("appends").last().version.get(), 2);
    let repeat = answers[1].as_ref().expect("is no conflict");
    assert!(repeat.repeated && repeat.events == stored.events, "{repeat:?}");
    assert_eq!(answers[2].as_ref().expect("appends").last().version.get(), 1);
    store.close().await;
}

#[tokio::test]
async fn a_wrong_belief_of_one_costs_no_other_its_append() {
    let database = database().await;
    let store = database.store().await;
    for _ in 0..3 {
        store.append(to("a-1", ExpectedVersion::Any, &event())).await.expect("appends");
    }
    let batches = vec![
        to("a-1", ExpectedVersion::Exact(Version::new(1)), &event()),
        to("a-1", ExpectedVersion::Exact(Version::new(3)), &event()),
        to("c-1", ExpectedVersion::Exists, &event()),
        to("b-1", ExpectedVersion::Any, &event()),
        to("b-1", ExpectedVersion::Any, &event()),
    ];
    let answers = in_one_group(&database, &store, batches).await;
    assert!(
        matches!(&answers[0], Err(AppendError::Conflict(conflict)) if conflict.actual.get() == 3),
        "{:?}",
        answers[0]
    );
    assert_eq!(answers[1].as_ref().expect("appends").last().version.get(), 4);
    assert!(matches!(&answers[2], Err(AppendError::Conflict(_))), "{:?}", answers[2]);
    let last: Vec<u64> =
        answers[3..].iter().map(|b| b.as_ref().expect("appends").last().version.get()).collect();
    assert_eq!(last, [1, 2]);
    store.close().await;
}
