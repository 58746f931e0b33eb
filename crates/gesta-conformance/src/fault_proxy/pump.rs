//! One direction of one connection.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::tcp::{ReadHalf, WriteHalf},
    sync::watch,
};

use super::{Fault, Plan, Side};
use crate::Dice;

/// The connection is to be reset.
pub(super) struct Cut;

/// What a direction remembers of its bytes.
struct Passed {
    bytes: u64,
    /// The end of what passed, as long as a pattern may reach back.
    tail: Vec<u8>,
    dice: Dice,
}

/// Longest pattern that is found across two pieces.
const TAIL: usize = 256;

/// Passes bytes on, as the plan of the moment says, until the sender ends.
pub(super) async fn pump(
    mut from: ReadHalf<'_>,
    mut to: WriteHalf<'_>,
    side: Side,
    mut plan: watch::Receiver<Plan>,
    dice: Dice,
) -> Result<(), Cut> {
    let mut passed = Passed { bytes: 0, tail: Vec::new(), dice };
    let mut buffer = vec![0; 16 * 1024];
    let mut closed = false;
    loop {
        let count = from.read(&mut buffer).await.map_err(|_| Cut)?;
        let faults = faults(&mut plan, side).await;
        if count == 0 {
            end(&faults).await;
            let _ = to.shutdown().await;
            return Ok(());
        }
        if faults.contains(&Fault::HalfClose) && !closed {
            let _ = to.shutdown().await;
            closed = true;
        }
        if !closed {
            passed.on(&mut to, &buffer[..count], &faults).await?;
        }
    }
}

/// The faults of the moment, once none of them is a stall.
async fn faults(plan: &mut watch::Receiver<Plan>, side: Side) -> Vec<Fault> {
    let of = |plan: &Plan| match side {
        Side::Request => plan.request.clone(),
        Side::Reply => plan.reply.clone(),
    };
    if let Ok(plan) = plan.wait_for(|plan| !of(plan).contains(&Fault::Stall)).await {
        return of(&plan);
    }
    // The proxy is gone, and this connection with it.
    std::future::pending().await
}

async fn end(faults: &[Fault]) {
    for fault in faults {
        if let Fault::SlowClose(later) = fault {
            tokio::time::sleep(*later).await;
        }
    }
}

impl Passed {
    async fn on(&mut self, to: &mut WriteHalf<'_>, piece: &[u8], faults: &[Fault]) -> Result<(), Cut> {
        let allowed = faults.iter().filter_map(|fault| self.allows(fault, piece)).min();
        let piece = &piece[..allowed.unwrap_or(piece.len())];
        let most = faults.iter().filter_map(|fault| match fault {
            Fault::Slice(most) => Some((*most).max(1)),
            _ => None,
        });
        for slice in piece.chunks(most.min().unwrap_or(usize::MAX)) {
            self.wait(faults, slice.len()).await;
            to.write_all(slice).await.map_err(|_| Cut)?;
            tokio::task::yield_now().await;
        }
        self.bytes += piece.len() as u64;
        self.tail.extend_from_slice(piece);
        let old = self.tail.len().saturating_sub(TAIL);
        self.tail.drain(..old);
        if allowed.is_some() { Err(Cut) } else { Ok(()) }
    }

    /// How much of the piece may pass before the connection is cut; `None` if this fault does not cut it.
    fn allows(&self, fault: &Fault, piece: &[u8]) -> Option<usize> {
        match fault {
            Fault::CutAfter(bytes) => {
                let left = usize::try_from(bytes.saturating_sub(self.bytes)).unwrap_or(usize::MAX);
                (left <= piece.len()).then_some(left)
            }
            Fault::CutOn { pattern, passes } => {
                let before = self.tail.len().min(pattern.len().saturating_sub(1));
                let seen = [&self.tail[self.tail.len() - before..], piece].concat();
                let at = seen.windows(pattern.len().max(1)).position(|window| window == pattern)?;
                Some((at + if *passes { pattern.len() } else { 0 }).saturating_sub(before))
            }
            _ => None,
        }
    }

    async fn wait(&mut self, faults: &[Fault], bytes: usize) {
        for fault in faults {
            let pause = match fault {
                Fault::Latency { fixed, jitter } => {
                    let most = u64::try_from(jitter.as_micros()).unwrap_or(u64::MAX);
                    *fixed + Duration::from_micros(self.dice.below(most))
                }
                Fault::Bandwidth(rate) => Duration::from_secs_f64(bytes as f64 / (*rate).max(1) as f64),
                _ => continue,
            };
            tokio::time::sleep(pause).await;
        }
    }
}
