//! A group with two consumers: what was delivered, what was acknowledged, and what came again.

use std::{
    collections::HashSet,
    net::SocketAddr,
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use gesta_conformance::Dice;
use serde_json::json;
use uuid::Uuid;

use super::{figures::Figures, http::Connection, server::Server};

/// What consumers of the group were handed and what they were told.
#[derive(Default)]
pub(super) struct Group {
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    deliveries: usize,
    /// Acknowledged, and the acknowledgement was answered.
    acked: HashSet<Uuid>,
    /// Acknowledged, and nobody knows whether that was heard: it may come again or not.
    in_doubt: HashSet<Uuid>,
    /// Came again although it was acknowledged and answered.
    again: usize,
    /// Found wrong, in words.
    wrong: Vec<String>,
}

const NAME: &str = "faults";

/// How long a delivery is a consumer's own: short, so that what was in flight at a crash comes again soon.
const LEASE: Duration = Duration::from_millis(400);

impl Group {
    /// Makes the group; the same again is no error.
    pub(super) fn create(&self, server: &mut Connection) -> Result<(), String> {
        let definition = json!({
            "name": NAME,
            "filter": {"categories": ["grp"]},
            "start": "beginning",
            "retry_delays_ms": vec![0; 32],
            "lease_ms": u64::try_from(LEASE.as_millis()).expect("short"),
            "auto_ack": false,
        });
        let reply = server.post("/api/v1/groups", &definition).map_err(|cause| cause.to_string())?;
        if reply.status / 100 == 2 {
            Ok(())
        } else {
            Err(format!("no group: {} {}", reply.status, reply.text()))
        }
    }

    /// Pulls and acknowledges until told to stop or until the server is gone.
    pub(super) fn consume(&self, consumer: &str, mut dice: Dice, server: SocketAddr, stop: &AtomicBool) {
        let Ok(mut connection) = Connection::open(server) else { return };
        while !stop.load(Ordering::Relaxed) {
            // One in ten is left to its lease, so that redelivery is seen too.
            if self.turn(&mut connection, consumer, || dice.chance(9, 10)).is_none() {
                return;
            }
        }
    }

    /// One pull and its acknowledgement; answers with the number of deliveries, or `None` once the server is gone.
    fn turn(&self, server: &mut Connection, consumer: &str, mut keep: impl FnMut() -> bool) -> Option<usize> {
        let pull = json!({"consumer": consumer, "max": 20, "wait_ms": 100});
        let reply = server.post(&format!("/api/v1/groups/{NAME}/pull"), &pull).ok()?;
        if reply.status != 200 {
            self.note(|seen| seen.refused("pull", reply.status, &reply.text()));
            return Some(0);
        }
        let body = reply.json();
        let deliveries = body["deliveries"].as_array()?.clone();
        let handed: Vec<(String, Uuid)> = deliveries
            .iter()
            .filter_map(|delivery| {
                let id = delivery["event"]["id"].as_str()?.parse().ok()?;
                Some((delivery["delivery_id"].as_str()?.to_owned(), id))
            })
            .collect();
        self.note(|seen| seen.handed(&handed));
        let kept: Vec<_> = handed.iter().filter(|_| keep()).collect();
        if kept.is_empty() {
            return Some(handed.len());
        }
        let ids: Vec<_> = kept.iter().map(|(delivery, _)| delivery).collect();
        let path = format!("/api/v1/groups/{NAME}/ack");
        let Ok(reply) = server.post(&path, &json!({"delivery_ids": ids})) else {
            self.note(|seen| seen.in_doubt.extend(kept.iter().map(|(_, id)| *id)));
            return None;
        };
        match reply.status {
            200 => self.note(|seen| seen.acked.extend(kept.iter().map(|(_, id)| *id))),
            // The lease was over: the deliveries come again, and that is right.
            409 => {}
            status => self.note(|seen| seen.refused("ack", status, &reply.text())),
        }
        Some(handed.len())
    }

    /// Pulls until nothing is left, and until every event was acknowledged or the group has had nothing to hand out
    /// for longer than any lease.
    pub(super) fn drain(&self, server: &Server, events: &HashSet<Uuid>) -> Result<(), String> {
        let mut server = server.connect()?;
        let (began, mut quiet_since) = (Instant::now(), None);
        while began.elapsed() < Duration::from_secs(60) {
            let handed = self.turn(&mut server, "last", || true).ok_or("the server is gone")?;
            if handed > 0 || !self.is_idle(&mut server)? {
                quiet_since = None;
                continue;
            }
            let since = *quiet_since.get_or_insert_with(Instant::now);
            if self.missing(events) == 0 || since.elapsed() > 5 * LEASE {
                return Ok(());
            }
        }
        Err("the group was not drained after a minute".into())
    }

    fn is_idle(&self, server: &mut Connection) -> Result<bool, String> {
        let reply = server.get(&format!("/api/v1/groups/{NAME}")).map_err(|cause| cause.to_string())?;
        let info = reply.json();
        Ok(info["in_flight"] == 0 && info["lag"] == 0)
    }

    fn missing(&self, events: &HashSet<Uuid>) -> usize {
        let seen = self.seen.lock().expect("no consumer panics");
        events.iter().filter(|id| !seen.acked.contains(*id) && !seen.in_doubt.contains(*id)).count()
    }

    fn note(&self, work: impl FnOnce(&mut Seen)) {
        work(&mut self.seen.lock().expect("no consumer panics"));
    }

    /// Adds up; `durable_acks` says whether an acknowledgement must survive the crashes of this run.
    pub(super) fn account(&self, figures: &mut Figures, events: &HashSet<Uuid>, durable_acks: bool) {
        let lost = self.missing(events);
        let mut seen = self.seen.lock().expect("no consumer panics");
        figures.group_delivered = seen.deliveries;
        figures.group_again = seen.again;
        figures.group_events = events.len();
        figures.group_lost = lost;
        if lost > 0 {
            figures.wrong(format!("the group lost {lost} of {} events", events.len()));
        }
        if durable_acks && seen.again > 0 {
            figures.wrong(format!(
                "{} deliveries came again after their acknowledgement was answered",
                seen.again
            ));
        }
        for what in seen.wrong.drain(..) {
            figures.wrong(what);
        }
    }
}

impl Seen {
    fn handed(&mut self, handed: &[(String, Uuid)]) {
        for (_, id) in handed {
            self.deliveries += 1;
            self.again += usize::from(self.acked.contains(id));
        }
    }

    fn refused(&mut self, what: &str, status: u16, text: &str) {
        // A server that is short of breath may say so.
        if status != 503 && status != 429 && self.wrong.len() < 10 {
            self.wrong.push(format!("a {what} was answered {status}: {text}"));
        }
    }
}
