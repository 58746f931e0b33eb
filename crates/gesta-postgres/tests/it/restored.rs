//! A log that is restored elsewhere, or to an earlier time.

use gesta_core::{AppendBatch, EventStore, ExpectedVersion, Incarnation, NewEvent};
use gesta_postgres::{Options, PostgresStore};

use crate::support::database;

async fn incarnation(url: &str) -> Incarnation {
    let store = PostgresStore::connect(url, Options::default()).await.expect("connects");
    let head = store.head().await.expect("the head can be read");
    assert_eq!(head.position.get(), 1);
    store.close().await;
    head.incarnation
}

#[tokio::test]
async fn a_log_in_another_database_is_another_life_of_it() {
    let database = database().await;
    let store = database.store().await;
    let batch =
        AppendBatch::to("a-1".parse().expect("legal"), ExpectedVersion::Any, [NewEvent::new("x", "1")]);
    store.append(batch).await.expect("appends");
    store.close().await;
    let first = incarnation(&database.url()).await;
    assert_eq!(incarnation(&database.url()).await, first, "a restart is none");

    // What pg_dump and a restore into a new database come to.
    let server = crate::support::client(&crate::support::server()).await;
    let copy = format!("{}_copy", database.name());
    let made = format!("CREATE DATABASE {copy} TEMPLATE {}", database.name());
    server.batch_execute(&made).await.expect("copied");
    let url = database.url().replace(database.name(), &copy);
    let second = incarnation(&url).await;
    assert_ne!(second, first);
    assert_eq!(incarnation(&url).await, second, "it is told once");
    server.batch_execute(&format!("DROP DATABASE {copy} WITH (FORCE)")).await.expect("dropped");

    database.client().await.batch_execute("CALL gesta.begin_new_life()").await.expect("called");
    assert_ne!(incarnation(&database.url()).await, first, "by hand");
}
