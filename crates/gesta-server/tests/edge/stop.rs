//! How it ends: no new connections, requests in flight done, streams closed, nothing waited for without a bound.

use std::time::{Duration, Instant};

use tokio::net::TcpStream;

use crate::support::{edge, get, until};

#[tokio::test]
async fn a_stop_waits_for_what_is_in_flight_and_takes_nothing_new() {
    let edge = edge(|_| {}).await;
    let (mut busy, mut idle, silent) = (edge.connect().await, edge.connect().await, edge.connect().await);
    idle.send(&get("/open", "")).await;
    assert_eq!(idle.reply().await.status, 200);
    busy.send(&get("/wait", "")).await;
    edge.shared.waiting.acquire().await.expect("it waits").forget();
    until("all are accepted", || edge.telemetry.open_connections() == 3).await;

    let (address, shared) = (edge.serving.address(), edge.shared.clone());
    let stopping = tokio::spawn(edge.serving.stop());
    assert!(idle.rest().await.1, "an idle connection is closed in good order");
    drop(silent);
    assert!(TcpStream::connect(address).await.is_err(), "nobody listens any more");
    shared.go.add_permits(1);
    assert_eq!(busy.reply().await.body, "went");
    assert_eq!(stopping.await.expect("stops"), 0);
}

#[tokio::test]
async fn a_stop_ends_streams_that_do_not_end_themselves() {
    let edge = edge(|_| {}).await;
    let mut wire = edge.connect().await;
    wire.send(&get("/quiet", "")).await;
    wire.head().await.expect("the stream begins");
    let stopping = tokio::spawn(edge.serving.stop());
    let (came, orderly) = wire.rest().await;
    let came = String::from_utf8_lossy(&came).into_owned();
    assert!(orderly && came.contains("the server stops") && came.ends_with("0\r\n\r\n"), "{came:?}");
    assert_eq!(stopping.await.expect("stops"), 0);
}

#[tokio::test]
async fn a_stop_cuts_what_does_not_end() {
    let edge = edge(|config| config.drain = Duration::from_millis(200)).await;
    let mut wire = edge.connect().await;
    wire.send(&get("/wait", "")).await;
    edge.shared.waiting.acquire().await.expect("it waits").forget();
    let start = Instant::now();
    assert_eq!(edge.serving.stop().await, 1);
    assert!(start.elapsed() < Duration::from_secs(5));
}
