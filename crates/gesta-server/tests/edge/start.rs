//! Starting and stopping the whole server on a folder.

use std::{
    os::unix::fs::PermissionsExt,
    path::Path,
    time::{Duration, Instant},
};

use gesta_core::Tenant;
use gesta_server::{
    Backend, Config, Running, ServeError, Server,
    auth::keys::{self, Granted},
    start, start_on,
};
use tokio::sync::oneshot;

use crate::support::{self, PATIENCE, Reply, bearer, get, listener, post, publish};

async fn on(folder: &Path) -> Result<Running, ServeError> {
    let backend = Backend::file(folder, gesta_file::Options::default()).await?;
    start_on(listener().await, backend, Config::default()).await
}

async fn ask(running: &Running, text: &str) -> Reply {
    support::ask(running.address(), text).await
}

#[tokio::test]
async fn what_was_published_is_there_after_a_restart() {
    let folder = tempfile::tempdir().expect("a folder");
    let running = on(folder.path()).await.expect("starts");
    let report = running.report().to_string();
    assert!(report.contains(&running.url()) && report.contains("survives"), "{report}");
    assert_eq!(ask(&running, &publish()).await.status, 200);
    let page = ask(&running, &get("/api/v1/log?limit=1", "")).await;
    let cursor =
        page.body.split("\"cursor\":\"").nth(1).and_then(|rest| rest.split('"').next()).map(str::to_owned);
    let cursor = cursor.unwrap_or_else(|| panic!("a cursor in {}", page.body));
    running.stop().await.expect("stops");

    let running = on(folder.path()).await.expect("starts again");
    let health = ask(&running, &get("/health", "")).await;
    assert!(health.body.contains("\"healthy\"") && health.body.contains("\"head\":1"), "{}", health.body);
    let resumed = ask(&running, &get(&format!("/api/v1/log?after={cursor}"), "")).await;
    assert_eq!(resumed.status, 200, "cursors live on: {}", resumed.body);
    running.stop().await.expect("stops");
}

#[tokio::test]
async fn a_folder_in_use_is_refused_with_the_reason() {
    let folder = tempfile::tempdir().expect("a folder");
    let running = on(folder.path()).await.expect("starts");
    let refused = on(folder.path()).await.err().expect("refused").to_string();
    assert!(refused.contains("in use by another process"), "{refused}");
    running.stop().await.expect("stops");
    on(folder.path()).await.expect("free again").stop().await.expect("stops");
}

#[tokio::test]
async fn a_folder_that_cannot_be_used_is_refused_with_a_remedy() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("file");
    std::fs::write(&file, "no folder").expect("written");
    for place in [file.clone(), file.join("below")] {
        let refused = on(&place).await.err().expect("refused").to_string();
        assert!(refused.contains("choose another"), "{refused}");
    }
    let spoiled = tempfile::tempdir().expect("a folder");
    on(spoiled.path()).await.expect("starts").stop().await.expect("stops");
    std::fs::write(spoiled.path().join("cursor.key"), "short").expect("written");
    let refused = on(spoiled.path()).await.err().expect("refused").to_string();
    assert!(refused.contains("cursor.key is damaged"), "{refused}");
}

#[tokio::test]
async fn the_network_is_refused_before_the_folder_is_touched() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut config = Config::default();
    (config.host, config.port, config.data) = ("0.0.0.0".into(), 0, folder.path().join("data"));
    let data = config.data.clone();
    let refused = start(config).await.err().expect("refused");
    assert!(matches!(refused, ServeError::NoKeys { .. }), "{refused}");
    assert!(!data.exists());
}

#[tokio::test]
async fn a_server_serves_until_it_is_told_to_stop() {
    let folder = tempfile::tempdir().expect("a folder");
    let backend = Backend::file(folder.path(), gesta_file::Options::default()).await.expect("opens");
    let listener = listener().await;
    let address = listener.local_addr().expect("bound");
    let (stop, told) = oneshot::channel();
    let until = async { told.await.expect("somebody says so") };
    let serving = tokio::spawn(Server::new(backend, Config::default()).serve_on(listener, until));
    assert_eq!(support::ask(address, &get("/health/ready", "")).await.status, 200);
    stop.send(()).expect("it runs");
    let ended = tokio::time::timeout(Duration::from_secs(15), serving).await.expect("within a bound");
    ended.expect("no panic").expect("a good end");
}

#[tokio::test]
async fn keys_may_be_made_before_the_first_start() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    let made = keys::make(&data.join("keys.json"), &Tenant::default(), Granted::All).expect("made");
    let running = on(&data).await.expect("starts");
    assert!(running.report().keys);
    let mode = std::fs::metadata(&data).expect("made").permissions().mode();
    assert_eq!(mode & 0o777, 0o700, "the events are nobody else's to read");
    assert_eq!(ask(&running, &get("/api/v1/log/head", "")).await.status, 401);
    assert_eq!(ask(&running, &get("/api/v1/log/head", &bearer(&made.key))).await.status, 200);
    running.stop().await.expect("stops");
}

#[tokio::test]
async fn metrics_tell_how_groups_do() {
    let running = start_on(listener().await, Backend::memory(), Config::default()).await.expect("starts");
    let subscribed = ask(&running, &post("/api/v1/events/subscribe", r#"{"read_latest":false}"#)).await;
    assert_eq!(subscribed.status, 200, "{}", subscribed.body);
    for _ in 0..3 {
        assert_eq!(ask(&running, &publish()).await.status, 200);
    }
    let start = Instant::now();
    loop {
        let metrics = ask(&running, &get("/metrics", "")).await.body;
        assert!(metrics.contains("event_published_total 3"), "{metrics}");
        let gauge = |name: &str| {
            let line =
                metrics.lines().find_map(|line| line.strip_prefix(name)).expect("it is there from the start");
            line.trim().parse::<u64>().expect("a number")
        };
        // The group begins at the beginning and nobody has pulled: it is as far behind as the log is long.
        let (head, lag) = (gauge("gesta_head_position "), gauge("consumer_lag_messages "));
        if head > 3 && lag == head {
            break;
        }
        assert!(start.elapsed() < PATIENCE, "{metrics}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    running.stop().await.expect("stops");
}
