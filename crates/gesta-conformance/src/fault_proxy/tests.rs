//! Every fault does what it is named for, and nothing is done without one.

use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;

/// Answers every byte with itself, and ends when the client does.
async fn echo() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
    let address = listener.local_addr().expect("bound");
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (mut from, mut to) = stream.split();
                tokio::io::copy(&mut from, &mut to).await
            });
        }
    });
    address
}

async fn proxied() -> (FaultProxy, TcpStream) {
    let proxy = FaultProxy::before(echo().await, 1).await.expect("binds");
    let client = TcpStream::connect(proxy.address()).await.expect("connects");
    (proxy, client)
}

/// Sends a text, ends, and reads what comes back; `Err` if the connection was reset.
async fn said(mut client: TcpStream, text: &[u8]) -> io::Result<Vec<u8>> {
    client.write_all(text).await?;
    client.shutdown().await?;
    let mut back = Vec::new();
    tokio::time::timeout(Duration::from_secs(20), client.read_to_end(&mut back)).await.expect("an end")?;
    Ok(back)
}

#[tokio::test]
async fn without_faults_bytes_pass() {
    let (proxy, client) = proxied().await;
    let text = vec![b'x'; 300_000];
    assert!(said(client, &text).await.expect("no reset") == text);
    assert_eq!(proxy.connections(), 1);
}

#[tokio::test]
async fn latency_slices_and_bandwidth_change_no_byte() {
    let (proxy, client) = proxied().await;
    let latency = Fault::Latency { fixed: Duration::from_millis(5), jitter: Duration::from_millis(2) };
    proxy.set(Side::Request, [latency, Fault::Slice(10), Fault::Bandwidth(100_000)]);
    let text: Vec<u8> = (0..100).collect();
    let start = Instant::now();
    assert_eq!(said(client, &text).await.expect("no reset"), text);
    assert!(start.elapsed() >= Duration::from_millis(50), "ten pieces of 5 ms each");
}

#[tokio::test]
async fn a_cut_after_bytes_is_a_reset() {
    let (proxy, mut client) = proxied().await;
    proxy.set(Side::Reply, [Fault::CutAfter(3)]);
    client.write_all(b"abcdef").await.expect("sent");
    let mut back = Vec::new();
    let error = client.read_to_end(&mut back).await.expect_err("a reset, not an end");
    assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
    assert!(b"abc".starts_with(&back), "{back:?}");
}

#[tokio::test]
async fn a_cut_on_a_text_is_before_or_behind_it() {
    for (fault, wanted) in [(Fault::cut_before("COM"), "say "), (Fault::cut_behind("COM"), "say COM")] {
        let passed = Passing::new().await;
        let proxy = FaultProxy::before(passed.address, 1).await.expect("binds");
        proxy.set(Side::Request, [fault, Fault::Slice(2)]);
        let client = TcpStream::connect(proxy.address()).await.expect("connects");
        let _ = said(client, b"say COMMIT").await;
        assert_eq!(passed.text().await, wanted);
    }
}

/// A server that keeps what it is told and answers nothing.
struct Passing {
    address: SocketAddr,
    told: JoinHandle<Vec<u8>>,
}

impl Passing {
    async fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
        let address = listener.local_addr().expect("bound");
        let told = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.expect("a client");
            let (mut told, mut byte) = (Vec::new(), [0]);
            while let Ok(1) = stream.read(&mut byte).await {
                told.push(byte[0]);
            }
            told
        });
        Self { address, told }
    }

    async fn text(self) -> String {
        String::from_utf8(self.told.await.expect("the server ends")).expect("text")
    }
}

#[tokio::test]
async fn a_stall_ends_when_it_is_healed() {
    let (proxy, mut client) = proxied().await;
    proxy.set(Side::Reply, [Fault::Stall]);
    client.write_all(b"x").await.expect("sent");
    let mut byte = [0];
    let stalled = tokio::time::timeout(Duration::from_millis(50), client.read(&mut byte)).await;
    assert!(stalled.is_err(), "the reply came through a stall");
    proxy.heal();
    client.read_exact(&mut byte).await.expect("the reply comes");
}

#[tokio::test]
async fn a_half_close_ends_one_direction_alone() {
    let (proxy, mut client) = proxied().await;
    proxy.set(Side::Request, [Fault::HalfClose]);
    client.write_all(b"x").await.expect("sent");
    let mut back = Vec::new();
    client.read_to_end(&mut back).await.expect("an orderly end, not a reset");
    assert!(back.is_empty());
    client.write_all(b"y").await.expect("the other direction is open still");
}

#[tokio::test]
async fn a_slow_close_comes_late() {
    let (proxy, client) = proxied().await;
    proxy.set(Side::Reply, [Fault::SlowClose(Duration::from_millis(80))]);
    let start = Instant::now();
    assert_eq!(said(client, b"x").await.expect("no reset"), b"x");
    assert!(start.elapsed() >= Duration::from_millis(80));
}

#[tokio::test]
async fn doors_refuse_or_stay_silent() {
    let proxy = FaultProxy::before(echo().await, 1).await.expect("binds");
    proxy.door(Door::Refuse);
    let refused = TcpStream::connect(proxy.address()).await.expect("connects");
    assert!(said(refused, b"x").await.is_err());
    proxy.door(Door::Silence);
    let mut silent = TcpStream::connect(proxy.address()).await.expect("connects");
    silent.write_all(b"x").await.expect("taken");
    let mut byte = [0];
    assert!(tokio::time::timeout(Duration::from_millis(50), silent.read(&mut byte)).await.is_err());
    proxy.heal();
    let open = TcpStream::connect(proxy.address()).await.expect("connects");
    assert_eq!(said(open, b"x").await.expect("open again"), b"x");
}

#[tokio::test]
async fn a_reset_ends_every_connection() {
    let (proxy, mut client) = proxied().await;
    client.write_all(b"x").await.expect("sent");
    client.read_exact(&mut [0]).await.expect("connected through");
    proxy.reset();
    assert!(client.read(&mut [0]).await.is_err(), "the connection lives on");
}
