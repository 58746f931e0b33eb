//! Servers and databases that cannot be used: each is told apart, and what to do is said.

use std::time::Duration;

use gesta_core::{AppendError, DurabilityClass, EventStore};
use gesta_postgres::{ConnectError, Options, PostgresStore};

use crate::support::{self, database, one};

async fn refused(url: &str) -> ConnectError {
    let options = Options::default().connect_timeout(Duration::from_secs(3));
    match PostgresStore::connect(url, options).await {
        Ok(_) => panic!("{url} connects"),
        Err(error) => error,
    }
}

#[tokio::test]
async fn an_address_that_is_none() {
    for url in [
        "mysql://gesta@127.0.0.1/gesta",
        "postgres://127.0.0.1:x/gesta",
        "postgres://gesta@127.0.0.1",
        "/tmp",
    ] {
        assert!(matches!(refused(url).await, ConnectError::Address { .. }), "{url}");
    }
    let error = refused("postgres://gesta@127.0.0.1/gesta?sslmode=prefer").await.to_string();
    assert!(error.contains("verify-full"), "{error}");
}

#[tokio::test]
async fn nobody_listens() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a port");
    let error = refused(&format!("postgres://gesta:secret@{free}/gesta")).await;
    assert!(matches!(error, ConnectError::Unreachable { .. }), "{error:?}");
    assert!(!error.to_string().contains("secret") && error.to_string().contains(&free.port().to_string()));
}

#[tokio::test]
async fn a_user_and_a_database_that_are_not_there() {
    let server = support::server();
    let (base, _) = server.rsplit_once('/').expect("a database");
    let error = refused(&format!("{base}/no_such_database")).await;
    assert!(matches!(error, ConnectError::NoDatabase { .. }), "{error:?}");
    let stranger = server.replace("gesta@", "no_such_user@");
    assert!(matches!(refused(&stranger).await, ConnectError::Refused { .. }));
}

#[tokio::test]
async fn a_schema_of_a_newer_release() {
    let database = database().await;
    database.store().await.close().await;
    let newer = "UPDATE gesta.schema_history SET version = 9999 WHERE version = (SELECT max(version) FROM gesta.schema_history)";
    database.client().await.batch_execute(newer).await.expect("pretends");
    let error = refused(&database.url()).await;
    assert!(matches!(error, ConnectError::NewerSchema { found: 9999, .. }), "{error:?}");
}

#[tokio::test]
async fn a_database_of_another_encoding() {
    let database = database().await;
    let name = format!("{}_latin", database.name());
    let client = database.client().await;
    let made = format!("CREATE DATABASE {name} TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'");
    client.batch_execute(&made).await.expect("made");
    let error = refused(&database.url().replace(database.name(), &name)).await;
    client.batch_execute(&format!("DROP DATABASE {name} WITH (FORCE)")).await.expect("dropped");
    assert!(matches!(error, ConnectError::Encoding { .. }), "{error:?}");
}

#[tokio::test]
async fn a_user_who_may_not_make_the_schema() {
    let database = database().await;
    let user = format!("{}_nobody", database.name());
    let client = database.client().await;
    client.batch_execute(&format!("CREATE ROLE {user} LOGIN")).await.expect("made");
    let error = refused(&database.url().replace("gesta@", &format!("{user}@"))).await;
    assert!(
        matches!(&error, ConnectError::Migration { reason, .. } if reason.contains("connect once")),
        "{error:?}"
    );
    database.store().await.close().await;
    let error = refused(&database.url().replace("gesta@", &format!("{user}@"))).await;
    client.batch_execute(&format!("DROP ROLE {user}")).await.expect("dropped");
    assert!(matches!(error, ConnectError::Grants { .. }), "{error:?}");
}

#[tokio::test]
async fn commits_that_do_not_wait_for_the_disk_lower_the_class() {
    let database = database().await;
    let client = database.client().await;
    let lower = format!("ALTER DATABASE {} SET synchronous_commit = off", database.name());
    client.batch_execute(&lower).await.expect("set");
    let store = database.store().await;
    assert_eq!(store.status().lowered, ["synchronous_commit=off"]);
    let appended = store.append(one("a-1")).await.expect("appends");
    assert_eq!(appended.durability, Some(DurabilityClass::Buffered));
    assert_eq!(store.capabilities().durability, DurabilityClass::Buffered);
    store.close().await;
}

#[tokio::test]
async fn a_lock_that_is_held_for_long_makes_appends_busy_and_stores_nothing() {
    let database = database().await;
    let store = database.store().await;
    let holder = database.client().await;
    holder.batch_execute("BEGIN; SELECT gesta.lock_log()").await.expect("held");
    let refusal = store.append(one("a-1")).await.expect_err("the lock is held");
    assert!(
        matches!(&refusal, AppendError::Busy { reason } if reason.contains("lock of the log")),
        "{refusal:?}"
    );
    holder.batch_execute("ROLLBACK").await.expect("let go");
    let appended = store.append(one("a-1")).await.expect("appends again");
    assert_eq!((appended.last().position.get(), appended.last().version.get()), (1, 1));
    store.close().await;
}

#[tokio::test]
async fn a_server_that_lets_nobody_in_any_more_is_noticed_without_an_append() {
    let database = database().await;
    let options = Options::default().poll(Duration::from_millis(20)).connect_timeout(Duration::from_secs(2));
    let store = PostgresStore::connect(&database.url(), options).await.expect("connects");
    assert_eq!(store.status().failure, None);
    let server = support::client(&support::server()).await;
    let shut = format!("ALTER DATABASE {0} ALLOW_CONNECTIONS false", database.name());
    server.batch_execute(&shut).await.expect("shut");
    let end = format!(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{}'",
        database.name()
    );
    server.batch_execute(&end).await.expect("thrown out");
    let noticed = async {
        while store.status().failure.is_none() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), noticed).await.expect("noticed");
    server.batch_execute(&shut.replace("false", "true")).await.expect("opened");
    store.append(one("a-1")).await.expect("appends again by itself");
    assert_eq!(store.status().failure, None);
    store.close().await;
}
