//! A server whose index is lost answers while it is built anew.

use std::{
    path::Path,
    sync::{Mutex, mpsc},
};

use gesta_core::{AppendBatch, EventStore, ExpectedVersion, NewEvent};
use gesta_file::{FileStore, Options};
use gesta_server::{Config, open_on};
use tokio::{net::TcpListener, time::timeout};

use crate::support::{PATIENCE, Wire, ask, get, listener};

const EVENTS: u64 = 100;

/// A folder with a log and no index.
async fn without_index() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let store = FileStore::open(folder.path(), Options::default()).expect("opens");
    let events = (0..EVENTS).map(|_| NewEvent::new("sample.created", "1"));
    let batch = AppendBatch::to("sample-1".parse().expect("legal"), ExpectedVersion::Any, events);
    store.append(batch).await.expect("appends");
    store.close().await;
    drop(store);
    std::fs::remove_dir_all(folder.path().join("index")).expect("there was an index");
    folder
}

/// Has an index built as soon as it lacks anything, and holds that up when it is about to be done.
fn held() -> (Options, mpsc::Sender<()>) {
    let (go, wait) = mpsc::channel();
    let wait = Mutex::new(wait);
    let options = Options::default().tail(10).telling(move |progress| {
        if progress.done == progress.total {
            // A test that has ended lets go as well.
            let _ = wait.lock().expect("no holder panics").recv();
        }
    });
    (options, go)
}

fn config(folder: &Path) -> Config {
    let mut config = Config::default();
    config.data = folder.into();
    config
}

#[tokio::test]
async fn a_server_that_builds_its_index_says_so_and_takes_nothing() {
    let folder = without_index().await;
    let listener = listener().await;
    let address = listener.local_addr().expect("bound");
    let (options, go) = held();
    let starting = tokio::spawn(open_on(listener, config(folder.path()), options));
    let ask = async |path: &str| ask(address, &get(path, "")).await;

    assert_eq!(ask("/health/live").await.status, 200);
    let ready = ask("/health/ready").await;
    assert_eq!((ready.status, ready.header("retry-after")), (503, Some("1")), "{ready:?}");
    let told = async {
        loop {
            let health = ask("/health").await;
            assert_eq!(health.status, 503);
            if health.body.contains("building the index, 0 of 100") {
                return;
            }
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, told).await.expect("it says how far it is");
    for path in ["/api/v1/log", "/api/v1/events/publish", "/metrics", "/nowhere"] {
        let refused = ask(path).await;
        assert_eq!((refused.status, refused.header("retry-after")), (503, Some("1")), "{path} {refused:?}");
        assert!(refused.body.contains("\"code\":\"starting\""), "{path} {}", refused.body);
    }
    let mut kept = Wire::to(address).await;
    kept.send(&get("/health/live", "")).await;
    kept.reply().await;

    go.send(()).expect("the opening waits");
    let running = timeout(PATIENCE, starting).await.expect("soon").expect("runs").expect("starts");
    assert_eq!(running.address(), address);
    assert!(kept.rest().await.1, "a connection of the time before is closed in good order");
    let health = ask("/health").await;
    assert!(
        health.body.contains("\"healthy\"") && health.body.contains("\"indexed\":100"),
        "{}",
        health.body
    );
    assert!(ask("/api/v1/log").await.body.contains("sample.created"));
    running.stop().await.expect("stops");
}

#[tokio::test]
async fn a_store_that_cannot_be_opened_after_all_frees_the_port() {
    let folder = without_index().await;
    std::fs::write(folder.path().join("cursor.key"), "short").expect("written");
    let listener = listener().await;
    let address = listener.local_addr().expect("bound");
    let (options, go) = held();
    let starting = tokio::spawn(open_on(listener, config(folder.path()), options));
    assert_eq!(ask(address, &get("/health/live", "")).await.status, 200);
    go.send(()).expect("the opening waits");
    let refused = timeout(PATIENCE, starting).await.expect("soon").expect("runs").err().expect("refused");
    assert!(refused.to_string().contains("cursor.key is damaged"), "{refused}");
    TcpListener::bind(address).await.expect("the port is free again");
}
