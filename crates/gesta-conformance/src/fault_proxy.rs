//! A TCP proxy that breaks connections on purpose: one listener, one upstream, two directions.
//!
//! ```
//! use gesta_conformance::fault_proxy::{Fault, FaultProxy, Side};
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> std::io::Result<()> {
//! # let server = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
//! let proxy = FaultProxy::before(server.local_addr()?, 1).await?;
//! // Whatever the server answers to the append is lost on the way, the append is not: an unknown outcome.
//! proxy.set(Side::Reply, [Fault::cut_before("HTTP/1.1 200")]);
//! let url = format!("http://{}", proxy.address());
//! # let _ = url; Ok(()) }
//! ```

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinHandle,
};

use crate::Dice;

mod pump;
#[cfg(test)]
mod tests;

use pump::{Cut, pump};

/// Which way bytes go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Side {
    /// From the client to the server.
    Request,
    /// From the server to the client.
    Reply,
}

/// What is done to the bytes of one direction, for each connection anew.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// Every piece comes later by this, and by up to `jitter` more.
    Latency {
        /// At least.
        fixed: Duration,
        /// At most so much more.
        jitter: Duration,
    },
    /// So many bytes a second.
    Bandwidth(u64),
    /// Pieces of at most so many bytes.
    Slice(usize),
    /// Nothing passes until the faults change.
    Stall,
    /// The connection is reset once so many bytes have passed.
    CutAfter(u64),
    /// This direction is closed at once, the other goes on.
    HalfClose,
    /// The end comes later by this.
    SlowClose(Duration),
    /// The connection is reset when this text comes by.
    CutOn {
        /// The text.
        pattern: Vec<u8>,
        /// Whether the text itself still passes.
        passes: bool,
    },
}

impl Fault {
    /// Resets before the text has passed: on a request the deed is lost.
    pub fn cut_before(pattern: &str) -> Self {
        Self::CutOn { pattern: pattern.into(), passes: false }
    }

    /// Resets behind the text: on a request the deed may be done and the answer is lost.
    pub fn cut_behind(pattern: &str) -> Self {
        Self::CutOn { pattern: pattern.into(), passes: true }
    }
}

/// What happens to new connections.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Door {
    /// They are connected with the server.
    #[default]
    Open,
    /// They are reset.
    Refuse,
    /// They are taken and nothing is ever said.
    Silence,
}

#[derive(Debug, Clone, Default)]
struct Plan {
    request: Vec<Fault>,
    reply: Vec<Fault>,
    door: Door,
    /// Grows whenever all open connections are to be reset.
    resets: u64,
}

/// A running proxy; it ends, and its connections with it, when it is dropped.
#[derive(Debug)]
pub struct FaultProxy {
    address: SocketAddr,
    plan: watch::Sender<Plan>,
    connections: Arc<AtomicU64>,
    accepting: JoinHandle<()>,
}

impl FaultProxy {
    /// Listens on a free port of 127.0.0.1 in front of `upstream`, with no faults yet; `run` fixes the jitter.
    pub async fn before(upstream: SocketAddr, run: u64) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let (plan, connections) = (watch::Sender::new(Plan::default()), Arc::default());
        let accepting =
            tokio::spawn(accept(listener, upstream, plan.subscribe(), Arc::clone(&connections), run));
        Ok(Self { address, plan, connections, accepting })
    }

    /// Where clients connect.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Replaces the faults of one direction, for open connections too.
    pub fn set(&self, side: Side, faults: impl IntoIterator<Item = Fault>) {
        let faults = faults.into_iter().collect();
        self.plan.send_modify(|plan| match side {
            Side::Request => plan.request = faults,
            Side::Reply => plan.reply = faults,
        });
    }

    /// What happens to new connections from now on.
    pub fn door(&self, door: Door) {
        self.plan.send_modify(|plan| plan.door = door);
    }

    /// No faults any more.
    pub fn heal(&self) {
        self.plan.send_modify(|plan| *plan = Plan { resets: plan.resets, ..Plan::default() });
    }

    /// Resets every open connection.
    pub fn reset(&self) {
        self.plan.send_modify(|plan| plan.resets += 1);
    }

    /// How many connections came so far.
    pub fn connections(&self) -> u64 {
        self.connections.load(Ordering::SeqCst)
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        self.reset();
        self.accepting.abort();
    }
}

async fn accept(
    listener: TcpListener,
    upstream: SocketAddr,
    plan: watch::Receiver<Plan>,
    connections: Arc<AtomicU64>,
    run: u64,
) {
    let mut dice = Dice::of(run);
    while let Ok((client, _)) = listener.accept().await {
        connections.fetch_add(1, Ordering::SeqCst);
        tokio::spawn(connection(client, upstream, plan.clone(), dice.split()));
    }
}

async fn connection(
    mut client: TcpStream,
    upstream: SocketAddr,
    plan: watch::Receiver<Plan>,
    mut dice: Dice,
) {
    let (door, resets) = (plan.borrow().door, plan.borrow().resets);
    let mut until = plan.clone();
    let reset = async {
        // A proxy that is gone resets its connections too.
        let _ = until.wait_for(|plan| plan.resets > resets).await;
    };
    match door {
        Door::Refuse => return abort(&client),
        Door::Silence => {
            reset.await;
            return abort(&client);
        }
        Door::Open => {}
    }
    let Ok(mut server) = TcpStream::connect(upstream).await else { return abort(&client) };
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let broken = {
        let (from_client, to_client) = client.split();
        let (from_server, to_server) = server.split();
        let request = pump(from_client, to_server, Side::Request, plan.clone(), dice.split());
        let reply = pump(from_server, to_client, Side::Reply, plan.clone(), dice.split());
        tokio::select! {
            ends = async { tokio::try_join!(request, reply) } => matches!(ends, Err(Cut)),
            () = reset => true,
        }
    };
    if broken {
        abort(&client);
        abort(&server);
    }
}

/// Makes the end of a connection a reset, so that the peer cannot take it for an orderly close.
fn abort(stream: &TcpStream) {
    let _ = stream.set_zero_linger();
}
