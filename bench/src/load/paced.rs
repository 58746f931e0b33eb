//! Fixed rate: requests are due at fixed times, whatever the server does.
//!
//! A latency is counted from when its request was *due*, not from when it was sent, so a server that stalls pays
//! for every request that waited meanwhile (no coordinated omission).

use std::{
    net::SocketAddr,
    sync::OnceLock,
    time::{Duration, Instant},
};

use hdrhistogram::Histogram;
use tokio::{sync::mpsc, task::JoinSet};

use super::{Figure, Span, Talk, histogram, open, pace::Pace, together};
use crate::wire::Wire;

/// Whatever falls into so long a time is due at its end: waking up for each request would take a third of a core from
/// the server.
const BUNCH: Duration = Duration::from_micros(250);

/// So many requests a second over so many connections, in turn. `clock` is the zero of the times that requests carry;
/// `counted` learns from which of them on they count.
pub(crate) async fn paced<W: Wire>(
    address: SocketAddr,
    connections: usize,
    rate: u32,
    clock: Instant,
    span: Span,
    counted: &OnceLock<Duration>,
    wire: impl Fn(u64) -> W,
) -> Result<Figure, String> {
    let (mut tasks, mut queues) = (JoinSet::new(), Vec::with_capacity(connections));
    let talks = open(address, connections, wire).await?;
    let begin = Instant::now() + Duration::from_millis(50);
    let from = begin + span.warm_up;
    let _ = counted.set(from - clock);
    for talk in talks {
        let (queue, due) = mpsc::unbounded_channel();
        queues.push(queue);
        tasks.spawn(send_when_due(talk, due, clock, from));
    }
    let until = from + span.measured;
    tasks.spawn(async move { pace(&queues, begin, until, rate).await.map(|()| histogram()) });
    Ok(Figure::of(connections, &together(tasks).await?, span.measured))
}

/// Ends by dropping the queues: their tasks send what is due and stop.
async fn pace(
    queues: &[mpsc::UnboundedSender<Instant>],
    begin: Instant,
    until: Instant,
    rate: u32,
) -> Result<(), String> {
    let interval = Duration::from_secs(1) / rate;
    let ticks = Pace::every(BUNCH).map_err(|cause| format!("no timer: {cause}"))?;
    let mut queues = queues.iter().cycle();
    let (mut bunch, mut due) = (begin, begin);
    while bunch < until {
        ticks.tick().await.map_err(|cause| format!("the timer ended: {cause}"))?;
        // Ticks may come late, and several as one: each bunch is due at its own time all the same.
        while bunch + BUNCH <= Instant::now() && bunch < until {
            bunch += BUNCH;
            while due < bunch {
                // A task that has failed takes no more; its error is reported where it is joined.
                let _ = queues.next().map(|queue| queue.send(bunch));
                due += interval;
            }
        }
    }
    Ok(())
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
