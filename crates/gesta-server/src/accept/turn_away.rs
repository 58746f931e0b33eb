//! What a connection hears for which there is no place.

use std::{sync::Arc, time::Duration};

use gesta_api::Code;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
    time::timeout,
};

use super::{caps::Full, connection::Server};
use crate::problem::Failure;

/// How long telling may take.
const WITHIN: Duration = Duration::from_secs(1);

/// Tells a connection that there is no place for it, in 503 with `Retry-After`, and closes it.
pub(super) fn turn_away(
    server: &Arc<Server>,
    connections: &mut JoinSet<()>,
    stream: TcpStream,
    full: Full,
) -> tokio::task::AbortHandle {
    let (reason, detail) = match full {
        Full::Server => ("connections", "the server has as many connections as it takes: try again shortly"),
        Full::Address => {
            ("connections_per_address", "your address has as many connections as it may: reuse them")
        }
    };
    server.telemetry.refused(reason);
    let places = Arc::clone(&server.turned_away);
    connections.spawn(async move {
        let Ok(_place) = places.try_acquire() else { return };
        let _ = timeout(WITHIN, tell(stream, detail)).await;
    })
}

/// The request is read first: a close with unread bytes would take the reply back.
async fn tell(mut stream: TcpStream, detail: &str) -> std::io::Result<()> {
    let mut scrap = [0; 4096];
    let _some = stream.read(&mut scrap).await?;
    let refusal = Failure::new(Code::Overloaded, detail).retry_after(Duration::from_secs(5));
    let body = refusal.body();
    let head = format!(
        "HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/problem+json\r\nretry-after: {}\r\n\
         connection: close\r\ncontent-length: {}\r\n\r\n",
        refusal.seconds().unwrap_or(1),
        body.len()
    );
    stream.write_all(&[head.as_bytes(), &body].concat()).await?;
    stream.shutdown().await?;
    while stream.read(&mut scrap).await? > 0 {}
    Ok(())
}
