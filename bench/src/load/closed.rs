//! Closed loop: every connection sends its next request when the last one is answered.

use std::{net::SocketAddr, time::Instant};

use hdrhistogram::Histogram;
use tokio::task::JoinSet;

use super::{Figure, Span, Talk, histogram, open, together};
use crate::wire::Wire;

/// As much as so many connections can carry.
pub(crate) async fn closed<W: Wire>(
    address: SocketAddr,
    connections: usize,
    span: Span,
    wire: impl Fn(u64) -> W,
) -> Result<Figure, String> {
    let talks = open(address, connections, wire).await?;
    let from = Instant::now() + span.warm_up;
    let until = from + span.measured;
    let mut tasks = JoinSet::new();
    for talk in talks {
        tasks.spawn(talk_on(talk, from, until));
    }
    Ok(Figure::of(connections, &together(tasks).await?, span.measured))
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
