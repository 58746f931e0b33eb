//! What callers are told when the server refuses, and when its settings are not those that Gesta counts on.

use gesta_core::{AppendError, EventStore};
use tokio::task::JoinSet;

use crate::support::{database, one};

/// The server undoes what it reports an error for: nobody has to ask again whether it is stored.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_server_undid_is_refused_and_not_unknown() {
    let database = database().await;
    let (store, admin) = (database.store().await, database.client().await);
    store.append(one("full-1")).await.expect("appends");
    let full = "CREATE FUNCTION public.full() RETURNS trigger LANGUAGE plpgsql AS
                $$ BEGIN RAISE EXCEPTION 'could not extend file' USING ERRCODE = '53100'; END $$;
                CREATE TRIGGER full_disk BEFORE INSERT ON gesta.events EXECUTE FUNCTION public.full()";
    admin.batch_execute(full).await.expect("a disk that is full");
    for durability in ["durable", "relaxed"] {
        let mut batch = one("full-1");
        if durability == "relaxed" {
            batch.durability = gesta_core::Durability::Relaxed;
        }
        let refusal = store.append(batch).await.expect_err("the disk is full");
        assert!(
            matches!(&refusal, AppendError::Unavailable { reason } if reason.contains("free some space")),
            "{durability}: {refusal:?}"
        );
    }
    assert!(store.status().failure.is_some_and(|why| why.contains("free some space")));
    admin.batch_execute("DROP TRIGGER full_disk ON gesta.events").await.expect("space again");
    let appended = store.append(one("full-1")).await.expect("appends again");
    assert_eq!(
        (appended.last().position.get(), appended.last().version.get()),
        (2, 2),
        "nothing is left behind"
    );
    // The writer says so behind its answer.
    let well = async {
        while store.status().failure.is_some() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(10), well).await.expect("the store is well again");
    store.close().await;
}

/// A snapshot from before the lock would not see what was appended meanwhile: the level is asked for by name.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_default_isolation_of_a_database_does_not_matter() {
    for level in ["repeatable read", "serializable"] {
        let database = database().await;
        let set = format!("ALTER DATABASE {} SET default_transaction_isolation = '{level}'", database.name());
        database.client().await.batch_execute(&set).await.expect("set");
        let stores = [database.store().await, database.store().await, database.store().await];
        let mut running = JoinSet::new();
        for store in stores.iter().cycle().take(6) {
            let store = store.clone();
            running.spawn(async move {
                for _ in 0..20 {
                    store.append(one("level-1")).await.expect("appends");
                }
            });
        }
        while let Some(done) = running.join_next().await {
            done.expect("all are appended");
        }
        assert_eq!(stores[0].head().await.expect("the head").position.get(), 120, "{level}");
        for store in stores {
            store.close().await;
        }
    }
}
