//! Closed loop: every connection sends its next request when the last one is answered.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use hdrhistogram::Histogram;
use tokio::task::JoinSet;

use super::{Figure, Latency, Span, Talk, histogram};
use crate::wire::Wire;

/// As much as so many connections can carry.
pub(crate) async fn closed<W: Wire>(
    address: SocketAddr,
    connections: usize,
    span: Span,
    wire: impl Fn(u64) -> W,
) -> Result<Figure, String> {
    let mut talks = Vec::with_capacity(connections);
    for number in 0..connections {
        talks.push(Talk::open(address, wire(number as u64 + 1)).await?);
    }
    let from = Instant::now() + span.warm_up;
    let until = from + span.measured;
    let mut tasks: JoinSet<Result<Histogram<u64>, String>> = JoinSet::new();
    for talk in talks {
        tasks.spawn(talk_on(talk, from, until));
    }
    let mut all = histogram();
    while let Some(done) = tasks.join_next().await {
        all.add(done.map_err(|cause| cause.to_string())??).map_err(|cause| cause.to_string())?;
    }
    Ok(figure(connections, &all, span.measured))
}

async fn talk_on<W: Wire>(
    mut talk: Talk<W>,
    from: Instant,
    until: Instant,
) -> Result<Histogram<u64>, String> {
    let mut latencies = histogram();
    loop {
        let began = Instant::now();
        if began >= until {
            return Ok(latencies);
        }
        talk.exchange(0).await?;
        if began >= from {
            latencies.saturating_record(began.elapsed().as_micros() as u64);
        }
    }
}

pub(super) fn figure(connections: usize, latencies: &Histogram<u64>, measured: Duration) -> Figure {
    let requests = latencies.len();
    let per_second = requests as f64 / measured.as_secs_f64();
    Figure { connections, requests, per_second, latency: Latency::of(latencies) }
}
