//! Memory stays bounded whatever readers do.

use gesta_server::{Backend, Config, start_on};
use tokio::{io::AsyncReadExt, net::TcpSocket, time::timeout};

use crate::support::{PATIENCE, Wire, alone, ask, edge, get, listener, post, until};

/// Kibibytes of memory of this process, its clients included.
fn resident_kib() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").expect("Linux");
    statm.split_whitespace().nth(1).and_then(|pages| pages.parse::<u64>().ok()).expect("a number") * 4
}

/// Streams that are never read, each with endless events behind it: what they hold is the buffer of their
/// connection, not the events.
#[test]
fn readers_that_do_not_read_cost_a_bounded_buffer() {
    alone("memory::readers_that_do_not_read_cost_a_bounded_buffer", readers_that_do_not_read());
}

async fn readers_that_do_not_read() {
    const READERS: usize = 100;
    let edge = edge(|_| {}).await;
    let before = resident_kib();
    let mut wires = Vec::new();
    for _ in 0..READERS {
        let mut wire = edge.connect().await;
        wire.send(&get("/events", "")).await;
        wire.head().await.expect("the stream begins");
        wires.push(wire);
    }
    until("all are served", || edge.telemetry.open_connections() == READERS).await;
    // Another request is served only after every stream has filled its buffers and waits.
    for _ in 0..20 {
        assert_eq!(edge.get("/whoami", "").await.status, 200);
    }
    let grown = resident_kib().saturating_sub(before);
    println!("{READERS} readers that do not read: {grown} KiB, {} KiB each", grown / READERS as u64);
    assert!(grown < 512 * READERS as u64, "{grown} KiB for {READERS} readers");
}

/// The same through the whole server: the log is read for each reader in pieces, never ahead of it without a bound.
#[test]
fn followers_of_the_log_that_do_not_read_cost_a_bounded_buffer() {
    alone(
        "memory::followers_of_the_log_that_do_not_read_cost_a_bounded_buffer",
        followers_that_do_not_read(),
    );
}

async fn followers_that_do_not_read() {
    const READERS: usize = 50;
    let running = start_on(listener().await, Backend::memory(), Config::default()).await.expect("starts");
    let event = format!(r#"{{"event_type":"x","source_service":"t","payload":"{}"}}"#, "y".repeat(20_000));
    let batch = format!(r#"{{"events":[{}]}}"#, vec![event; 100].join(","));
    for _ in 0..5 {
        let published = ask(running.address(), &post("/api/v1/events/publish/batch", &batch)).await;
        assert_eq!(published.status, 200);
    }
    let before = resident_kib();
    let mut wires = Vec::new();
    for _ in 0..READERS {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.set_recv_buffer_size(8192).expect("set");
        let mut wire = Wire(socket.connect(running.address()).await.expect("it listens"));
        wire.send(&get("/api/v1/log/stream?from=start", "")).await;
        assert!(wire.head().await.expect("the stream begins").contains("200 ok"));
        wires.push(wire);
    }
    // Another stream that is read gets to the end of the log: by then the others are stuck.
    let mut reader = Wire::to(running.address()).await;
    reader.send(&get("/api/v1/log/stream?from=start", "")).await;
    let mut scrap = vec![0; 64 * 1024];
    let mut bytes = 0;
    while bytes < 500 * 20_000 {
        let read = timeout(PATIENCE, reader.0.read(&mut scrap)).await.expect("in time").expect("it goes on");
        assert!(read > 0, "the stream ended after {bytes} bytes");
        bytes += read;
    }
    let grown = resident_kib().saturating_sub(before);
    println!("{READERS} followers that do not read: {grown} KiB, {} KiB each", grown / READERS as u64);
    assert!(grown < 1024 * READERS as u64, "{grown} KiB for {READERS} followers of 10 MB");
    drop(wires);
    running.stop().await.expect("stops");
}
