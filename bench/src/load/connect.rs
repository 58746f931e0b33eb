//! Connections, opened a few at a time.

use std::{net::SocketAddr, time::Duration};

use tokio::net::TcpStream;

/// Connects; waits a little between tries, because a thousand at once overflow any backlog.
pub(super) async fn patiently(address: SocketAddr) -> Result<TcpStream, String> {
    let mut last = String::new();
    for _ in 0..50 {
        match TcpStream::connect(address).await {
            Ok(socket) => {
                socket.set_nodelay(true).map_err(|cause| cause.to_string())?;
                return Ok(socket);
            }
            Err(cause) => last = cause.to_string(),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Err(format!("{address} takes no connection: {last}"))
}
