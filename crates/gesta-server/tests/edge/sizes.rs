//! Requests that are too large: refused with the reason, which the client gets to read.

use crate::support::{Edge, edge, get, post};

async fn small() -> Edge {
    edge(|config| {
        config.max_headers = 20;
        config.max_head_bytes = 4096;
        config.max_body_bytes = 100_000;
    })
    .await
}

#[tokio::test]
async fn too_many_headers_are_answered_with_431() {
    let edge = small().await;
    let headers = |count: usize| (0..count).map(|n| format!("x-{n}: 1\r\n")).collect::<String>();
    assert_eq!(edge.get("/open", &headers(19)).await.status, 200);
    let refused = edge.get("/open", &headers(20)).await;
    assert_eq!(refused.status, 431);
    assert!(refused.body.contains("headers_too_large"), "{}", refused.body);
    assert_eq!(edge.get("/open", &headers(500)).await.status, 431);
}

#[tokio::test]
async fn a_large_head_is_answered_with_431() {
    let edge = small().await;
    let header = |bytes: usize| format!("x-long: {}\r\n", "y".repeat(bytes));
    assert_eq!(edge.get("/open", &header(3000)).await.status, 200);
    assert_eq!(edge.get("/open", &header(5000)).await.status, 431);
    assert_eq!(edge.get(&format!("/open?{}", "y".repeat(5000)), "").await.status, 431);
}

#[tokio::test]
async fn a_head_without_end_costs_a_bounded_buffer() {
    let edge = small().await;
    let mut wire = edge.connect().await;
    let flood = format!("GET /open HTTP/1.1\r\nx: {}", "y".repeat(1 << 20));
    // The server may close while the flood is still coming.
    let _ = wire.try_send(flood.as_bytes()).await;
    assert_eq!(wire.reply().await.status, 431);
}

#[tokio::test]
async fn a_declared_length_that_is_too_much_is_refused_before_the_body() {
    let edge = small().await;
    let mut wire = edge.connect().await;
    wire.send("POST /length HTTP/1.1\r\nhost: localhost\r\ncontent-length: 999999999\r\n\r\n").await;
    let refused = wire.reply().await;
    assert_eq!(refused.status, 413);
    assert!(refused.body.contains("body_too_large") && refused.body.contains("100000"), "{}", refused.body);
}

#[tokio::test]
async fn a_client_that_sends_on_still_reads_the_refusal() {
    let edge = small().await;
    let mut wire = edge.connect().await;
    let _ = wire.try_send(post("/length", &"x".repeat(300_000)).as_bytes()).await;
    assert_eq!(wire.reply().await.status, 413);
}

#[tokio::test]
async fn a_body_in_chunks_is_refused_once_it_is_too_much() {
    let edge = small().await;
    let mut wire = edge.connect().await;
    wire.send("POST /length HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n").await;
    let chunk = format!("{:x}\r\n{}\r\n", 10_000, "x".repeat(10_000));
    for _ in 0..11 {
        if wire.try_send(chunk.as_bytes()).await.is_err() {
            break;
        }
    }
    assert_eq!(wire.reply().await.status, 413);
}

#[tokio::test]
async fn a_body_within_the_limit_arrives_whole() {
    let edge = small().await;
    let mut wire = edge.connect().await;
    wire.send(&post("/length", &"x".repeat(100_000))).await;
    assert_eq!(wire.reply().await.body, "100000");
    wire.send("POST /length HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n").await;
    wire.send("3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n").await;
    assert_eq!(wire.reply().await.body, "5");
    wire.send(&get("/open", "")).await;
    assert_eq!(wire.reply().await.body, "open");
}
