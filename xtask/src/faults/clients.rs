//! Clients that append over HTTP: many kinds of batches and expectations, and what each was told.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::atomic::{AtomicBool, Ordering},
    time::Instant,
};

use gesta_conformance::{
    Dice,
    history::{Operation, Outcome, Wanted, What},
};
use gesta_core::{ExpectedVersion, Version};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    http::{Connection, Reply},
    watchers::nanos,
};

/// An append, kept for retries.
#[derive(Clone)]
pub(super) struct Sent {
    wanted: Vec<Wanted>,
    path: String,
    body: Value,
    relaxed: bool,
}

/// One client: one call after the other, over one connection at a time.
pub(super) struct Client {
    number: u32,
    dice: Dice,
    began: Instant,
    versions: HashMap<String, u64>,
    /// Appends whose outcome nobody knows.
    pub(super) unsettled: Vec<Sent>,
    settled: Vec<Sent>,
    /// What it did since it was last asked.
    pub(super) done: Vec<Operation>,
    /// Events acknowledged as relaxed since it was last asked.
    pub(super) relaxed: Vec<Uuid>,
    /// What no outcome may be.
    pub(super) wrong: Vec<String>,
}

/// Streams that clients share. Those of the category `grp` are what the group consumes.
const STREAMS: u64 = 24;

impl Client {
    pub(super) fn new(number: u32, dice: Dice, began: Instant) -> Self {
        Self {
            number,
            dice,
            began,
            versions: HashMap::new(),
            unsettled: Vec::new(),
            settled: Vec::new(),
            done: Vec::new(),
            relaxed: Vec::new(),
            wrong: Vec::new(),
        }
    }

    /// Appends until told to stop, or until the server is gone.
    pub(super) fn load(&mut self, server: SocketAddr, stop: &AtomicBool) {
        let Ok(mut connection) = Connection::open(server) else { return };
        while !stop.load(Ordering::Relaxed) {
            let sent = match self.dice.below(100) {
                0..8 if !self.settled.is_empty() => self.dice.pick(&self.settled).clone(),
                8..25 => self.batch(),
                _ => self.append(),
            };
            if !self.call(&mut connection, sent) {
                return;
            }
        }
    }

    /// Sends some of what is unsettled again; the rest stays unknown for ever.
    pub(super) fn settle(&mut self, server: SocketAddr) {
        let Ok(mut connection) = Connection::open(server) else { return };
        for sent in std::mem::take(&mut self.unsettled) {
            if !sent.relaxed && self.dice.chance(2, 3) && !self.call(&mut connection, sent) {
                return;
            }
        }
    }

    /// Appends small batches one after the other, each acknowledged before the next is sent; `false` once the
    /// server is gone. For runs in which every system call is to come in the same order.
    pub(super) fn script(&mut self, connection: &mut Connection, appends: usize) -> bool {
        (0..appends).all(|_| {
            let mut sent = self.append();
            sent.body["durability"] = "durable".into();
            self.call(connection, Sent { relaxed: false, ..sent })
        })
    }

    /// How many of the appends it still remembers were acknowledged as durable.
    pub(super) fn acknowledged(&self) -> usize {
        let acknowledged = |call: &&Operation| {
            matches!(&call.what, What::Append { outcome: Outcome::Acknowledged { .. }, .. })
        };
        self.done.iter().filter(acknowledged).count()
    }

    fn append(&mut self) -> Sent {
        let stream = self.stream();
        let expected = self.expectation(&stream);
        let (ids, events) = self.events();
        let relaxed = self.dice.chance(1, 8);
        let path = format!("/api/v1/streams/{stream}");
        let body = json!({
            "events": events,
            "expected_version": expected,
            "durability": if relaxed { "relaxed" } else { "durable" },
        });
        Sent { wanted: vec![wanted(&stream, expected, ids)], path, body, relaxed }
    }

    fn batch(&mut self) -> Sent {
        let (first, count) = (self.dice.below(STREAMS), self.dice.between(2, 4));
        let (mut all, mut appends) = (Vec::new(), Vec::new());
        for nth in 0..count {
            let stream = name((first + nth) % STREAMS);
            let expected = self.expectation(&stream);
            let (ids, events) = self.events();
            appends.push(json!({"stream": stream, "expected_version": expected, "events": events}));
            all.push(wanted(&stream, expected, ids));
        }
        Sent { wanted: all, path: "/api/v1/append".into(), body: json!({"appends": appends}), relaxed: false }
    }

    fn stream(&mut self) -> String {
        name(self.dice.below(STREAMS))
    }

    fn expectation(&mut self, stream: &str) -> ExpectedVersion {
        let known = self.versions.get(stream).copied();
        match (self.dice.below(3), known) {
            (0, Some(version)) => ExpectedVersion::Exact(Version::new(version)),
            (1, None) => ExpectedVersion::NoStream,
            _ => ExpectedVersion::Any,
        }
    }

    fn events(&mut self) -> (Vec<Uuid>, Vec<Value>) {
        let ids: Vec<Uuid> = (0..self.dice.between(1, 4)).map(|_| self.dice.id()).collect();
        let events = ids.iter().map(|id| {
            let size = if self.dice.chance(1, 20) { 6_000 } else { self.dice.between(10, 200) };
            let filler = "x".repeat(usize::try_from(size).expect("small"));
            json!({"id": id, "type": "fault.tried", "data": {"n": self.dice.below(1_000), "filler": filler}})
        });
        let events = events.collect();
        (ids, events)
    }

    /// Makes the call and notes what came of it; `false` if the connection is of no more use.
    fn call(&mut self, connection: &mut Connection, sent: Sent) -> bool {
        let invoked = nanos(self.began);
        let answer = connection.post(&sent.path, &sent.body);
        let alive = answer.is_ok();
        let outcome = match answer {
            Ok(reply) => self.heard(&sent, &reply),
            Err(_) => Outcome::Unknown,
        };
        let unknown = matches!(outcome, Outcome::Unknown);
        let returned = if unknown { u64::MAX } else { nanos(self.began) };
        let what = What::Append { appends: sent.wanted.clone(), outcome };
        self.done.push(Operation { client: self.number, invoked, returned, what });
        if unknown {
            self.unsettled.push(sent);
        } else if self.settled.len() < 32 {
            self.settled.push(sent);
        } else {
            let at = self.dice.below(32);
            self.settled[usize::try_from(at).expect("small")] = sent;
        }
        alive
    }

    fn heard(&mut self, sent: &Sent, reply: &Reply) -> Outcome {
        let body = reply.json();
        match (reply.status, body["code"].as_str().unwrap_or_default()) {
            (200, _) => self.placed(sent, &body),
            // A relaxed append is answered before the flush, and a refusal of it is as provisional.
            (412, _) if sent.relaxed => Outcome::Refused,
            (412, _) => {
                let stream = body["stream"]
                    .as_str()
                    .map_or_else(|| sent.wanted[0].stream.clone(), |stream| format!("default/{stream}"));
                let actual = body["current_version"].as_u64().unwrap_or(u64::MAX);
                self.versions.insert(stream.trim_start_matches("default/").to_owned(), actual);
                Outcome::Conflict { stream, actual }
            }
            (_, "outcome_unknown") => Outcome::Unknown,
            (429 | 503, _) => Outcome::Refused,
            (status, code) => {
                self.wrong.push(format!("an append was answered {status} {code}: {}", reply.text()));
                Outcome::Refused
            }
        }
    }

    fn placed(&mut self, sent: &Sent, body: &Value) -> Outcome {
        let events = body["events"].as_array().cloned().unwrap_or_default();
        let place = |event: &Value| Some((event["position"].as_u64()?, event["version"].as_u64()?));
        let places: Vec<_> = events.iter().filter_map(place).collect();
        let streams = sent.wanted.iter().flat_map(|append| append.ids.iter().map(move |_| &append.stream));
        for (stream, (_, version)) in streams.zip(&places) {
            self.versions.insert(stream.trim_start_matches("default/").to_owned(), *version);
        }
        // What is acknowledged as relaxed is provisional: it may be there, elsewhere, or gone.
        if body["durability"] == "relaxed" {
            self.relaxed.extend(sent.wanted.iter().flat_map(|append| &append.ids));
            return Outcome::Unknown;
        }
        Outcome::Acknowledged { places, repeated: body["repeated"] == true }
    }
}

fn name(number: u64) -> String {
    if number < 6 { format!("grp-{number}") } else { format!("kill-{number}") }
}

fn wanted(stream: &str, expected: ExpectedVersion, ids: Vec<Uuid>) -> Wanted {
    Wanted { stream: format!("default/{stream}"), expected, ids }
}
