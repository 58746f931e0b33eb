//! A server of an older release: the real one, behind a relay that changes the number it tells.

use gesta_postgres::{ConnectError, Options, PostgresStore};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream, tcp::OwnedReadHalf, tcp::OwnedWriteHalf},
};

use crate::{cluster, support};

/// A number as an answer carries it, its length before it.
fn told(release: i32) -> [u8; 8] {
    let mut told = [0, 0, 0, 4, 0, 0, 0, 0];
    told[4..].copy_from_slice(&release.to_be_bytes());
    told
}

/// Hands on what the server says, one number for another.
async fn relay(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, (is, pretends): ([u8; 8], [u8; 8])) {
    let mut bytes = vec![0; 64 << 10];
    while let Ok(read @ 1..) = from.read(&mut bytes).await {
        if let Some(at) = bytes[..read].windows(is.len()).position(|part| part == is) {
            bytes[at..at + is.len()].copy_from_slice(&pretends);
        }
        if to.write_all(&bytes[..read]).await.is_err() {
            return;
        }
    }
}

async fn connect_to_one_that_pretends(pretends: i32) -> Result<PostgresStore, ConnectError> {
    let database = support::database().await;
    let asked = "SELECT current_setting('server_version_num')::int";
    let is = database.client().await.query_one(asked, &[]).await.expect("asked").get(0);
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = cluster::url(listener.local_addr().expect("bound"), database.name());
    let relays = tokio::spawn(async move {
        loop {
            let (here, _) = listener.accept().await.expect("a connection");
            let there = TcpStream::connect(support::address()).await.expect("the server answers");
            let ((from_here, to_here), (from_there, to_there)) = (here.into_split(), there.into_split());
            tokio::spawn(relay(from_here, to_there, (told(is), told(is))));
            tokio::spawn(relay(from_there, to_here, (told(is), told(pretends))));
        }
    });
    let connected = PostgresStore::connect(&url, Options::default()).await;
    relays.abort();
    connected
}

#[tokio::test]
async fn a_server_of_an_older_release_is_refused_and_one_of_a_newer_is_not() {
    let refused = connect_to_one_that_pretends(140_019).await.map(drop).expect_err("it is too old");
    assert!(matches!(refused, ConnectError::TooOld { .. }), "{refused:?}");
    assert!(refused.to_string().contains("15"), "what is needed is said: {refused}");
    connect_to_one_that_pretends(190_000).await.expect("connects").close().await;
}
