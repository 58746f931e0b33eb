//! A live subscriber over SSE, which takes the time from when an event was due to be sent to when it is here.

use std::{
    net::SocketAddr,
    sync::{Arc, OnceLock},
    time::{Duration, Instant},
};

use hdrhistogram::Histogram;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    sync::oneshot,
    time::timeout,
};

use super::{connect, histogram};
use crate::wire::get;

/// What marks an event's time in the data of the workload.
const MARK: &[u8] = b"\"sent_at\":";

/// Follows `path` until nothing has come for a second, and collects the latencies of events due after what `counted`
/// holds once it is known. Says through `ready` when the server has begun to answer.
pub(crate) async fn subscriber(
    address: SocketAddr,
    path: String,
    clock: Instant,
    counted: Arc<OnceLock<Duration>>,
    ready: oneshot::Sender<()>,
) -> Result<Histogram<u64>, String> {
    let mut socket = connect::patiently(address).await?;
    let request = get(&path, "text/event-stream");
    socket.write_all(request.as_bytes()).await.map_err(|cause| cause.to_string())?;
    let mut ready = Some(ready);
    let mut latencies = histogram();
    let mut input = Vec::with_capacity(1 << 16);
    loop {
        let quiet = Duration::from_secs(if ready.is_some() { 10 } else { 1 });
        let Ok(read) = timeout(quiet, socket.read_buf(&mut input)).await else { return Ok(latencies) };
        let now = clock.elapsed().as_nanos() as u64;
        if read.map_err(|cause| cause.to_string())? == 0 {
            return Err("the server has ended the subscription".into());
        }
        if let Some(ready) = ready.take() {
            let head = String::from_utf8_lossy(&input);
            if !head.starts_with("HTTP/1.1 200") {
                return Err(format!("no subscription: {head}"));
            }
            // The load generator may have given up; its own error tells why.
            let _ = ready.send(());
        }
        take(&mut input, |sent_at| {
            if counted.get().is_some_and(|from| from.as_nanos() as u64 <= sent_at) {
                latencies.saturating_record(now.saturating_sub(sent_at) / 1000);
            }
        });
    }
}

/// Takes the times out of what has come; keeps what may be the start of the next one.
fn take(input: &mut Vec<u8>, mut found: impl FnMut(u64)) {
    let mut done = 0;
    while let Some(at) = input[done..].windows(MARK.len()).position(|window| window == MARK) {
        let digits = done + at + MARK.len();
        let Some(length) = input[digits..].iter().position(|byte| !byte.is_ascii_digit()) else { break };
        let text = std::str::from_utf8(&input[digits..digits + length]).unwrap_or("0");
        found(text.parse().unwrap_or(0));
        done = digits + length;
    }
    let keep = input.len().saturating_sub(MARK.len() + 32).max(done);
    input.drain(..keep);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_that_comes_in_two_parts_is_found_once() {
        let mut found = Vec::new();
        let mut input = b"data: {\"sent_at\":12,\"x\":{\"sent_".to_vec();
        take(&mut input, |at| found.push(at));
        input.extend_from_slice(b"at\":345");
        take(&mut input, |at| found.push(at));
        input.extend_from_slice(b"6,");
        take(&mut input, |at| found.push(at));
        assert_eq!(found, [12, 3456]);
    }
}
