//! Server-sent events: one way to send them, whatever they tell.
//!
//! A connection holds a bounded buffer. Its writer runs ahead of the client by that buffer and no further; a client
//! that takes nothing for [`PATIENCE`] is told where it stands and closed. While nothing happens a comment every
//! [`HEARTBEAT`] keeps the connection open.

use std::{sync::Arc, time::Duration};

use axum::{
    body::{Body, Bytes},
    http::{HeaderMap, HeaderValue, header},
    response::Response,
};
use futures_util::{StreamExt, stream as streams};
use gesta_api::Problem;
use gesta_core::Tenant;
use serde::Serialize;
use tokio::{
    sync::mpsc,
    time::{Instant, timeout},
};

use crate::{app::App, extract::header_text, problem::Failure, quota::SsePlace};

mod deliveries;
mod log;
mod stream;

pub(crate) use deliveries::{delivered, deliveries};
pub(crate) use log::log;
pub(crate) use stream::stream;

/// How long nothing may be said.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// How long a client may take nothing; shorter than the time after which its connection is cut.
const PATIENCE: Duration = Duration::from_secs(20);

/// Frames between the writer and the connection.
const BUFFER: usize = 2;

/// Small frames are sent together, up to so many bytes.
const FRAME_BYTES: usize = 64 * 1024;

/// The writing half of a connection.
pub(crate) struct Writer {
    frames: mpsc::Sender<Bytes>,
    pending: Vec<u8>,
    /// What a client that comes back should send.
    last_id: String,
    said: Instant,
    last_words: Arc<std::sync::Mutex<Option<Bytes>>>,
    _place: SsePlace,
}

/// The client is gone, or was closed.
#[derive(Debug)]
pub(crate) struct Closed;

/// A connection: the response, and what writes to it.
pub(crate) fn open(app: &App, tenant: &Tenant) -> Result<(Response, Writer), Failure> {
    let place = app.quota.sse(tenant)?;
    let (frames, received) = mpsc::channel::<Bytes>(BUFFER);
    let last_words = Arc::new(std::sync::Mutex::new(None));
    let writer = Writer {
        frames,
        pending: first_words().into_bytes(),
        last_id: String::new(),
        said: Instant::now(),
        last_words: Arc::clone(&last_words),
        _place: place,
    };
    let sent = streams::unfold(received, |mut received| async { Some((received.recv().await?, received)) });
    let last = streams::once(async move { last_words.lock().expect("no holder panics").take() });
    let body = sent.chain(last.filter_map(std::future::ready)).map(Ok::<_, std::convert::Infallible>);
    let mut response = Response::new(Body::from_stream(body));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    Ok((response, writer))
}

/// Tells clients to come back after 1 to 4 s, each after another time, so that a restart brings no stampede.
fn first_words() -> String {
    let jitter = u64::from(uuid::Uuid::new_v4().as_bytes()[0]);
    format!("retry: {}\n\n", 1_000 + jitter * 3_000 / 255)
}

impl Writer {
    /// Adds one event, and sends what has gathered when it is much.
    pub(crate) async fn event(&mut self, name: &str, id: &str, data: &impl Serialize) -> Result<(), Closed> {
        self.pending.extend_from_slice(format!("event: {name}\nid: {id}\ndata: ").as_bytes());
        let json = serde_json::to_vec(data).expect("wire types always serialize");
        write_data(&mut self.pending, &json);
        self.last_id.clear();
        self.last_id.push_str(id);
        if self.pending.len() >= FRAME_BYTES { self.flush().await } else { Ok(()) }
    }

    /// Moves the place to resume at without an event: what lies before it does not pass.
    pub(crate) fn advance(&mut self, id: &str) {
        if self.last_id != id {
            self.last_id.clear();
            self.last_id.push_str(id);
        }
    }

    /// Sends what has gathered. Waits for a slow client, then closes it.
    pub(crate) async fn flush(&mut self) -> Result<(), Closed> {
        if self.pending.is_empty() {
            return Ok(());
        }
        let frame = Bytes::from(std::mem::take(&mut self.pending));
        match timeout(PATIENCE, self.frames.send(frame)).await {
            Ok(Ok(())) => {
                self.said = Instant::now();
                Ok(())
            }
            Ok(Err(_)) => Err(Closed),
            Err(_) => {
                self.leave("too_slow", "events were not taken in time: come back with the last id you have");
                Err(Closed)
            }
        }
    }

    /// Ends when the client has gone.
    pub(crate) async fn gone(&self) {
        self.frames.closed().await;
    }

    /// When something should be said again.
    pub(crate) fn heartbeat_due(&self) -> Instant {
        self.said + HEARTBEAT
    }

    /// Says that nothing happened, and where the client stands.
    pub(crate) async fn heartbeat(&mut self) -> Result<(), Closed> {
        self.pending.extend_from_slice(b": heartbeat\n");
        if !self.last_id.is_empty() {
            self.pending.extend_from_slice(format!("id: {}\n", self.last_id).as_bytes());
        }
        self.pending.push(b'\n');
        self.flush().await
    }

    /// Leaves a last event that names where the client stands and why it ends. A client that is behind gets what is
    /// buffered first; the id is left out, so that it goes on from the last event it has really seen.
    pub(crate) fn leave(&mut self, reason: &str, detail: &str) {
        #[derive(Serialize)]
        struct LastWords<'a> {
            reason: &'a str,
            detail: &'a str,
            cursor: &'a str,
        }
        let words = LastWords { reason, detail, cursor: &self.last_id };
        let json = serde_json::to_vec(&words).expect("texts always serialize");
        let mut frame = std::mem::take(&mut self.pending);
        frame.extend_from_slice(b"event: closed\ndata: ");
        write_data(&mut frame, &json);
        *self.last_words.lock().expect("no holder panics") = Some(frame.into());
    }

    /// Ends with a problem.
    pub(crate) fn fail(&mut self, failure: &Problem) {
        self.leave(&failure.code, &failure.detail);
    }
}

/// JSON as the data of a frame: its line breaks, which can only stand between tokens, become lines of the frame.
fn write_data(out: &mut Vec<u8>, json: &[u8]) {
    for byte in json {
        match byte {
            b'\n' => out.extend_from_slice(b"\ndata: "),
            b'\r' => out.push(b' '),
            other => out.push(*other),
        }
    }
    out.extend_from_slice(b"\n\n");
}

/// Where to resume, by `Last-Event-ID`.
fn last_event_id(headers: &HeaderMap) -> Result<Option<&str>, Failure> {
    Ok(header_text(headers, "last-event-id")?.filter(|id| !id.is_empty()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_come_back_within_four_seconds() {
        let millis: u64 = first_words().trim().strip_prefix("retry: ").unwrap().parse().unwrap();
        assert!((1_000..=4_000).contains(&millis), "{millis}");
    }
}
