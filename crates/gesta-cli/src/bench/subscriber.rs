//! A subscriber that measures how long an event takes from its sender to here.

use std::{
    io,
    net::SocketAddr,
    time::{Duration, Instant},
};

use hdrhistogram::Histogram;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::watch,
};

use super::{
    load::histogram,
    request::{EVENT_TYPE, TIME_BASE, TIME_MARK},
};

const DIGITS: usize = 16;

/// A live stream of the log. HTTP/1.0 has no chunks, so the bytes of an event are never cut by a chunk's head.
pub(crate) struct Subscriber {
    stream: TcpStream,
}

impl Subscriber {
    /// Connects, and waits until the server has begun to answer: from then on nothing is missed.
    pub(crate) async fn open(
        address: SocketAddr,
        base_path: &str,
        authority: &str,
        headers: &str,
    ) -> io::Result<Self> {
        let mut stream = TcpStream::connect(address).await?;
        let request = format!(
            "GET {base_path}/api/v1/log/stream?from=head&types={EVENT_TYPE} HTTP/1.0\r\nhost: {authority}\r\n\
             accept: text/event-stream\r\n{headers}\r\n"
        );
        stream.write_all(request.as_bytes()).await?;
        let mut head = Vec::new();
        while !head.windows(4).any(|four| four == b"\r\n\r\n") {
            if stream.read_buf(&mut head).await? == 0 || head.len() > 64 * 1024 {
                return Err(io::Error::other("the server did not begin a stream"));
            }
        }
        if head.get(9..12) != Some(b"200") {
            return Err(io::Error::other("the server refused the stream"));
        }
        Ok(Self { stream })
    }

    /// Reads until told to stop, or until the stream ends. Answers with the microseconds from when events were due to be
    /// sent to their arrival; those due before `from` are left out.
    pub(crate) async fn run(
        mut self,
        epoch: Instant,
        from: watch::Receiver<Duration>,
        mut stop: watch::Receiver<bool>,
    ) -> Histogram<u64> {
        let mut latency = histogram();
        let mut buffer: Vec<u8> = Vec::with_capacity(1 << 20);
        loop {
            let read = tokio::select! {
                read = self.stream.read_buf(&mut buffer) => read,
                _ = stop.wait_for(|stop| *stop) => return latency,
            };
            if !matches!(read, Ok(1..)) {
                return latency;
            }
            let (now, from) = (epoch.elapsed(), *from.borrow());
            let used = scan(&buffer, |due| {
                let due = Duration::from_nanos(due);
                if due >= from {
                    let micros = u64::try_from(now.saturating_sub(due).as_micros()).unwrap_or(u64::MAX);
                    latency.saturating_record(micros.max(1));
                }
            });
            buffer.drain(..used);
        }
    }
}

/// Finds the times in a piece of the stream; answers with how much of it is done with.
fn scan(bytes: &[u8], mut found: impl FnMut(u64)) -> usize {
    let mut done = 0;
    while let Some(at) = find(&bytes[done..], TIME_MARK) {
        let begin = done + at + TIME_MARK.len();
        let Some(digits) = bytes.get(begin..begin + DIGITS) else { return done + at };
        let number: Option<u64> = str::from_utf8(digits).ok().and_then(|text| text.parse().ok());
        if let Some(due) = number.and_then(|number| number.checked_sub(TIME_BASE)) {
            found(due);
        }
        done = begin + DIGITS;
    }
    // The mark itself may have come in part.
    bytes.len().saturating_sub(TIME_MARK.len()).max(done)
}

fn find(bytes: &[u8], mark: &[u8]) -> Option<usize> {
    let first = mark[0];
    let mut from = 0;
    while let Some(at) = bytes[from..].iter().position(|b| *b == first) {
        if bytes[from + at..].starts_with(mark) {
            return Some(from + at);
        }
        from += at + 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_time_is_found_however_the_stream_is_cut() {
        let text = "data: {\"x\":{\"sent_ns\":1000000000000007,\"t\":\"\"}}\n\nid: 1\ndata: {\"sent_ns\":1000000000000042}\n";
        for cut in 0..text.len() {
            let mut found = Vec::new();
            let mut buffer: Vec<u8> = text.as_bytes()[..cut].into();
            let used = scan(&buffer, |due| found.push(due));
            buffer.drain(..used);
            buffer.extend_from_slice(&text.as_bytes()[cut..]);
            scan(&buffer, |due| found.push(due));
            assert_eq!(found, [7, 42], "cut at {cut}");
        }
    }
}
