//! The accept loop: who may connect, how long they may be silent, and how it ends.
//!
//! `axum::serve` has no time limit for the head of a request and no cap on connections, so the loop is ours.

use std::{io, sync::Arc, time::Duration};

use axum::Router;
use tokio::{net::TcpListener, task::JoinSet, time::sleep};
use tokio_util::sync::CancellationToken;

mod body;
mod caps;
mod connection;
mod timed;
mod turn_away;

use caps::Caps;
use connection::Server;

use crate::{config::Config, telemetry::Telemetry};

/// How a connection sees its peer; an extension of every request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer(pub std::net::SocketAddr);

/// Shortest and longest rest after an accept that failed for want of resources.
const REST: (Duration, Duration) = (Duration::from_millis(10), Duration::from_secs(1));

/// Serves `router` on `listener` until `stop`, then waits for requests in flight, at most `config.drain`.
/// Answers with the number of connections that had to be cut.
pub(crate) async fn serve(
    listener: TcpListener,
    router: Router,
    config: &Config,
    telemetry: Arc<Telemetry>,
    stop: CancellationToken,
) -> usize {
    let caps = Caps::new(config.max_connections, config.max_connections_per_address);
    let server = Arc::new(Server::new(router, config, telemetry, stop.clone()));
    let mut connections = JoinSet::new();
    let mut rest = REST.0;
    loop {
        let accepted = tokio::select! {
            biased;
            () = stop.cancelled() => break,
            Some(_) = connections.join_next() => continue,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => {
                rest = REST.0;
                match caps.take(peer.ip()) {
                    Ok(place) => connections.spawn(Arc::clone(&server).run(stream, Peer(peer), place)),
                    Err(full) => turn_away::turn_away(&server, &mut connections, stream, full),
                };
            }
            Err(error) if is_of_one_connection(&error) => {}
            Err(error) => {
                // Out of descriptors or memory: spinning would only make it worse.
                tracing::warn!(%error, "cannot accept connections, trying again");
                server.telemetry.refused("accept_error");
                sleep(rest).await;
                rest = (rest * 2).min(REST.1);
            }
        }
    }
    drop(listener);
    drain(connections, config.drain).await
}

/// Waits for all connections, cuts what is left, and answers how many those were.
async fn drain(mut connections: JoinSet<()>, within: Duration) -> usize {
    let all = async { while connections.join_next().await.is_some() {} };
    let _ = tokio::time::timeout(within, all).await;
    let cut = connections.len();
    connections.shutdown().await;
    cut
}

/// The peer went away before it was accepted: nothing is wrong here.
fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}
