//! Clients that are slow, silent or half gone: they lose their connection, others notice nothing.

use std::time::{Duration, Instant};

use tokio::io::AsyncWriteExt;

use crate::support::{Edge, edge, get, post};

async fn quick() -> Edge {
    edge(|config| {
        config.first_byte_timeout = Duration::from_millis(200);
        config.head_timeout = Duration::from_millis(400);
        config.keep_alive_timeout = Duration::from_millis(200);
        config.body_timeout = Duration::from_millis(600);
        config.body_pause_timeout = Duration::from_millis(300);
        config.write_timeout = Duration::from_millis(300);
    })
    .await
}

#[tokio::test]
async fn a_silent_connection_is_closed() {
    let edge = quick().await;
    let (came, _) = edge.connect().await.rest().await;
    assert!(came.is_empty());
}

#[tokio::test]
async fn a_head_that_dribbles_is_given_up_however_steadily_it_comes() {
    let edge = quick().await;
    let start = Instant::now();
    let mut wire = edge.connect().await;
    let text = get("/open", &format!("x-long: {}\r\n", "y".repeat(2000)));
    for byte in text.as_bytes() {
        if wire.try_send(&[*byte]).await.is_err() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
        assert!(start.elapsed() < Duration::from_secs(5), "the head may take 0.4 s");
    }
    assert!(start.elapsed() >= Duration::from_millis(400));
    assert_eq!(edge.get("/open", "").await.status, 200);
}

#[tokio::test]
async fn an_idle_connection_serves_again_in_time_and_is_closed_after() {
    let edge = quick().await;
    let mut wire = edge.connect().await;
    for _ in 0..2 {
        wire.send(&get("/open", "")).await;
        assert_eq!(wire.reply().await.body, "open");
    }
    let (came, orderly) = wire.rest().await;
    assert!(came.is_empty() && orderly);
}

#[tokio::test]
async fn a_body_that_stops_is_answered_with_408() {
    let edge = quick().await;
    let mut wire = edge.connect().await;
    wire.send("POST /length HTTP/1.1\r\nhost: localhost\r\ncontent-length: 10\r\n\r\nabc").await;
    let reply = wire.reply().await;
    assert_eq!(reply.status, 408);
    assert!(reply.body.contains("request_timeout"), "{}", reply.body);
}

#[tokio::test]
async fn a_body_that_dribbles_is_answered_with_408() {
    let edge = quick().await;
    let mut wire = edge.connect().await;
    wire.send("POST /length HTTP/1.1\r\nhost: localhost\r\ncontent-length: 10000\r\n\r\n").await;
    let start = Instant::now();
    while start.elapsed() < Duration::from_millis(700) && wire.try_send(b"a").await.is_ok() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(wire.reply().await.status, 408);
}

#[tokio::test]
async fn a_reader_that_takes_nothing_loses_its_stream() {
    let edge = quick().await;
    let mut wire = edge.connect().await;
    wire.send(&get("/events", "")).await;
    wire.head().await.expect("the stream begins");
    // Not reading: the server's writes stop for want of room.
    crate::support::until("the connection is given up", || edge.telemetry.open_connections() == 0).await;
}

#[tokio::test]
async fn a_half_closed_connection_frees_its_place() {
    let edge = quick().await;
    for text in ["", "GET /op", &post("/length", "abc")[..40]] {
        let mut wire = edge.connect().await;
        wire.send(text).await;
        wire.0.shutdown().await.expect("half closed");
        wire.rest().await;
    }
    crate::support::until("all places are free", || edge.telemetry.open_connections() == 0).await;
    assert_eq!(edge.get("/open", "").await.status, 200);
}

#[tokio::test]
async fn rubbish_is_refused_and_the_server_stays_up() {
    let edge = quick().await;
    for rubbish in
        ["\0\0\0\0\r\n\r\n", "GET\r\n\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "G\u{e9}T / HTTP/1.1\r\n\r\n"]
    {
        let mut wire = edge.connect().await;
        wire.send(rubbish).await;
        let (came, _) = wire.rest().await;
        assert!(came.is_empty() || came.starts_with(b"HTTP/1.1 4"), "{:?}", String::from_utf8_lossy(&came));
    }
    assert_eq!(edge.get("/open", "").await.status, 200);
}

/// Many at once, each sending a byte of its head now and then: others are served as before, and every slot is free
/// once the head has had its time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn others_are_served_while_hundreds_dribble() {
    const DRIBBLERS: usize = 300;
    let edge = edge(|config| config.head_timeout = Duration::from_secs(3)).await;
    let healthy = async || {
        let mut wire = edge.connect().await;
        let mut times = Vec::new();
        for _ in 0..200 {
            let start = Instant::now();
            wire.send(&get("/open", "")).await;
            assert_eq!(wire.reply().await.status, 200);
            times.push(start.elapsed());
        }
        times.sort_unstable();
        times[198]
    };
    let alone = healthy().await;
    let mut dribblers = tokio::task::JoinSet::new();
    for _ in 0..DRIBBLERS {
        let mut wire = edge.connect().await;
        dribblers.spawn(async move {
            while wire.try_send(b"G").await.is_ok() {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        });
    }
    crate::support::until("all dribble", || edge.telemetry.open_connections() >= DRIBBLERS).await;
    let beside = healthy().await;
    println!("p99 of a healthy client: {alone:?} alone, {beside:?} beside {DRIBBLERS} that dribble");
    assert!(beside < alone * 10 + Duration::from_millis(100));
    crate::support::until("every slot is free", || edge.telemetry.open_connections() == 0).await;
    dribblers.join_all().await;
}
