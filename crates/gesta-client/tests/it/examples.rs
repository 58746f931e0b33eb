//! The example programs, run as they are against a live server.

use std::{path::PathBuf, process::Stdio};

use tokio::process::Command;

use crate::served::{PATIENCE, Served};

/// Examples are built beside the tests that run them.
fn program(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("the test's own path");
    let folder = test.ancestors().nth(2).expect("target/<profile>");
    folder.join("examples").join(name)
}

async fn run(name: &str, url: &str) -> String {
    let child = Command::new(program(name))
        .env("GESTA_URL", url)
        .env("GESTA_EVENTS", "4")
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("cargo test builds the examples");
    let output = tokio::time::timeout(PATIENCE, child.wait_with_output()).await;
    let output = output.expect("it ends").expect("it runs");
    assert!(output.status.success(), "{name} failed");
    String::from_utf8(output.stdout).expect("text")
}

#[tokio::test]
async fn every_example_does_what_it_says() {
    let served = Served::open().await;
    let url = served.url().await;
    let published = run("publish", &url).await;
    assert!(published.contains("at position 1") && published.contains("3 more"), "{published}");
    let stored = run("store", &url).await;
    assert!(stored.contains("paid at version 2") && stored.contains("1 order.placed"), "{stored}");
    let followed = run("subscribe", &url).await;
    assert!(followed.lines().count() == 5 && followed.contains("sample.status_changed"), "{followed}");
    let consumed = run("consume", &url).await;
    assert!(consumed.contains("4 handled, 0 given back"), "{consumed}");
    served.stop().await;
}
