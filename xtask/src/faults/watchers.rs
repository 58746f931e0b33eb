//! Who looks on: a subscriber that goes on where it was, and readers that page through the log.

use std::{
    net::SocketAddr,
    sync::atomic::{AtomicBool, Ordering},
    time::Instant,
};

use gesta_conformance::{
    Dice,
    history::{Logged, Operation, What},
};

use super::{http::Connection, ledger::logged};

/// A subscriber over SSE that resumes from its last cursor after every crash.
pub(super) struct Subscriber {
    number: u32,
    began: Instant,
    cursor: Option<String>,
    /// The last position it saw.
    pub(super) position: u64,
    pub(super) connections: usize,
    pub(super) delivered: usize,
    pub(super) done: Vec<Operation>,
}

impl Subscriber {
    pub(super) fn new(number: u32, began: Instant) -> Self {
        Self { number, began, cursor: None, position: 0, connections: 0, delivered: 0, done: Vec::new() }
    }

    /// Follows the log until the server is gone, or until `enough` says so.
    pub(super) fn follow(&mut self, server: SocketAddr, enough: impl Fn(u64) -> bool) {
        let Ok(connection) = Connection::open(server) else { return };
        self.connections += 1;
        let (after, invoked) = (self.position, nanos(self.began));
        let mut saw: Vec<Logged> = Vec::new();
        let path = match &self.cursor {
            Some(_) => "/api/v1/log/stream?system=true",
            None => "/api/v1/log/stream?system=true&after_position=0",
        };
        let mut cursor = self.cursor.clone();
        let mut last = after;
        let _ = connection.follow(path, self.cursor.as_deref(), |id, data| {
            if data.is_empty() {
                return !enough(last);
            }
            let event = serde_json::from_str(data).map_err(|cause| cause.to_string());
            let Ok(event) = event.and_then(|event| logged(&event)) else { return true };
            cursor = Some(id.to_owned());
            last = event.position;
            saw.push(event);
            !enough(last)
        });
        self.cursor = cursor;
        self.delivered += saw.len();
        self.position = saw.last().map_or(self.position, |event| event.position);
        let what = What::Read { stream: None, after, limited: true, saw };
        self.done.push(Operation { client: self.number, invoked, returned: nanos(self.began), what });
    }
}

/// Reads pages of the log and streams at random until told to stop.
pub(super) fn read(
    number: u32,
    mut dice: Dice,
    began: Instant,
    server: SocketAddr,
    from: u64,
    stop: &AtomicBool,
) -> Vec<Operation> {
    let mut done = Vec::new();
    let Ok(mut connection) = Connection::open(server) else { return done };
    let mut head = from;
    while !stop.load(Ordering::Relaxed) {
        let after = dice.between(from, head);
        let limit = dice.between(1, 200);
        let path = format!("/api/v1/log?after_position={after}&limit={limit}&system=true");
        let invoked = nanos(began);
        let Ok(reply) = connection.get(&path) else { return done };
        let returned = nanos(began);
        let page = reply.json();
        let Some(events) = page["events"].as_array() else { continue };
        let Ok(saw) = events.iter().map(logged).collect::<Result<Vec<_>, _>>() else { continue };
        head = saw.last().map_or(head, |event| event.position.max(head));
        let limited = saw.len() as u64 == limit || !page["next"].is_null();
        let what = What::Read { stream: None, after, limited, saw };
        done.push(Operation { client: number, invoked, returned, what });
    }
    done
}

pub(super) fn nanos(began: Instant) -> u64 {
    u64::try_from(began.elapsed().as_nanos()).expect("a run of less than centuries")
}
