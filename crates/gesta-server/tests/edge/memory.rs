//! Memory stays bounded whatever readers do.

use crate::support::{edge, get, until};

/// Kibibytes of memory of this process, its clients included.
fn resident_kib() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").expect("Linux");
    statm.split_whitespace().nth(1).and_then(|pages| pages.parse::<u64>().ok()).expect("a number") * 4
}

/// Streams that are never read, each with endless events behind it: what they hold is the buffer of their
/// connection, not the events.
#[tokio::test]
async fn readers_that_do_not_read_cost_a_bounded_buffer() {
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
