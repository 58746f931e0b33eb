//! Fixed rate: requests are due at fixed times, whatever the server does.
//!
//! A latency is counted from when its request was *due*, not from when it was sent, so a server that stalls pays
//! for every request that waited meanwhile (no coordinated omission).

use std::{
    net::SocketAddr,
    thread,
    time::{Duration, Instant},
};

use hdrhistogram::Histogram;
use tokio::{sync::mpsc, task::JoinSet};

use super::{Figure, Span, Talk, closed::figure, histogram};
use crate::wire::Wire;

/// How often the pacer looks whether something is due: tokio's own timer ticks in whole milliseconds.
const TICK: Duration = Duration::from_micros(50);

/// So many requests a second over so many connections, in turn. `clock` is the zero of the times that requests carry.
pub(crate) async fn paced<W: Wire>(
    address: SocketAddr,
    connections: usize,
    rate: u32,
    clock: Instant,
    span: Span,
    wire: impl Fn(u64) -> W,
) -> Result<Figure, String> {
    let mut tasks: JoinSet<Result<Histogram<u64>, String>> = JoinSet::new();
    let mut queues = Vec::with_capacity(connections);
    let mut talks = Vec::with_capacity(connections);
    for number in 0..connections {
        talks.push(Talk::open(address, wire(number as u64 + 1)).await?);
    }
    let begin = Instant::now() + Duration::from_millis(50);
    let from = begin + span.warm_up;
    for talk in talks {
        let (queue, due) = mpsc::unbounded_channel();
        queues.push(queue);
        tasks.spawn(send_when_due(talk, due, clock, from));
    }
    let until = from + span.measured;
    let pacer = thread::spawn(move || pace(&queues, begin, until, rate));
    let mut all = histogram();
    while let Some(done) = tasks.join_next().await {
        all.add(done.map_err(|cause| cause.to_string())??).map_err(|cause| cause.to_string())?;
    }
    pacer.join().map_err(|_| "the pacer panicked")?;
    Ok(figure(connections, &all, span.measured))
}

/// Ends by dropping the queues: their tasks send what is due and stop.
fn pace(queues: &[mpsc::UnboundedSender<Instant>], begin: Instant, until: Instant, rate: u32) {
    let interval = Duration::from_secs(1) / rate;
    let mut due = begin;
    let mut turn = 0;
    while due < until {
        let now = Instant::now();
        while due <= now && due < until {
            // A task that has failed takes no more; its error is reported where it is joined.
            let _ = queues[turn % queues.len()].send(due);
            turn += 1;
            due += interval;
        }
        thread::sleep(TICK);
    }
}

async fn send_when_due<W: Wire>(
    mut talk: Talk<W>,
    mut due: mpsc::UnboundedReceiver<Instant>,
    clock: Instant,
    from: Instant,
) -> Result<Histogram<u64>, String> {
    let mut latencies = histogram();
    while let Some(at) = due.recv().await {
        talk.exchange(at.duration_since(clock).as_nanos() as u64).await?;
        if at >= from {
            latencies.saturating_record(at.elapsed().as_micros() as u64);
        }
    }
    Ok(latencies)
}
