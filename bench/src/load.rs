//! Load on a server: as much as a number of connections can carry, or a fixed rate.

use std::{net::SocketAddr, time::Duration};

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
};

use crate::wire::Wire;

mod closed;
mod connect;
#[path = "../../crates/gesta-cli/src/bench/pace.rs"]
mod pace;
mod paced;
mod subscriber;

pub(crate) use closed::closed;
pub(crate) use paced::paced;
pub(crate) use subscriber::subscriber;

/// How long, and how much of the start does not count.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Span {
    /// Left out.
    pub(crate) warm_up: Duration,
    /// Counted.
    pub(crate) measured: Duration,
}

/// What a measurement came to.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Figure {
    /// Connections.
    pub(crate) connections: usize,
    /// Requests in the counted time.
    pub(crate) requests: u64,
    /// Requests a second.
    pub(crate) per_second: f64,
    /// Milliseconds.
    pub(crate) latency: Latency,
}

/// Milliseconds that so many per cent of requests stay within.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub(crate) struct Latency {
    /// Half.
    pub(crate) p50: f64,
    /// 99 %.
    pub(crate) p99: f64,
    /// 99.9 %.
    pub(crate) p999: f64,
    /// The slowest.
    pub(crate) max: f64,
}

impl Figure {
    fn of(connections: usize, latencies: &Histogram<u64>, measured: Duration) -> Self {
        let requests = latencies.len();
        let per_second = requests as f64 / measured.as_secs_f64();
        Self { connections, requests, per_second, latency: Latency::of(latencies) }
    }
}

impl Latency {
    /// From a histogram in microseconds.
    pub(crate) fn of(histogram: &Histogram<u64>) -> Self {
        let at = |quantile| histogram.value_at_quantile(quantile) as f64 / 1000.0;
        Self { p50: at(0.5), p99: at(0.99), p999: at(0.999), max: histogram.max() as f64 / 1000.0 }
    }
}

/// Latencies from a microsecond to a minute with three digits.
pub(crate) fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, 60_000_000, 3).expect("the bounds are legal")
}

/// What tasks that measure have measured, all of it; the first that failed otherwise.
pub(crate) async fn together(
    mut tasks: JoinSet<Result<Histogram<u64>, String>>,
) -> Result<Histogram<u64>, String> {
    let mut all = histogram();
    while let Some(done) = tasks.join_next().await {
        all.add(done.map_err(|cause| cause.to_string())??).map_err(|cause| cause.to_string())?;
    }
    Ok(all)
}

/// Opens so many connections, each with a wire of its own.
async fn open<W: Wire>(
    address: SocketAddr,
    connections: usize,
    wire: impl Fn(u64) -> W,
) -> Result<Vec<Talk<W>>, String> {
    let mut talks = Vec::with_capacity(connections);
    for number in 0..connections {
        talks.push(Talk::open(address, wire(number as u64 + 1)).await?);
    }
    Ok(talks)
}

/// A connection and what it says.
struct Talk<W> {
    socket: TcpStream,
    wire: W,
    out: Vec<u8>,
    input: Vec<u8>,
}

impl<W: Wire> Talk<W> {
    async fn open(address: SocketAddr, wire: W) -> Result<Self, String> {
        let socket = connect::patiently(address).await?;
        Ok(Self { socket, wire, out: Vec::with_capacity(4096), input: Vec::with_capacity(4096) })
    }

    /// One request and its whole reply.
    async fn exchange(&mut self, sent_at: u64) -> Result<(), String> {
        self.out.clear();
        self.wire.request(sent_at, &mut self.out);
        self.socket.write_all(&self.out).await.map_err(|cause| cause.to_string())?;
        loop {
            if let Some(whole) = self.wire.reply(&self.input)? {
                self.input.drain(..whole);
                return Ok(());
            }
            let read = self.socket.read_buf(&mut self.input).await.map_err(|cause| cause.to_string())?;
            if read == 0 {
                return Err("the server has closed the connection".into());
            }
        }
    }
}
