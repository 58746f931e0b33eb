//! What callers were told, kept in this process: outside the disk under test, and written after the reply.

use std::{
    collections::{BTreeMap, HashSet},
    path::Path,
};

use gesta_conformance::history::{
    History, Logged, Operation, Outcome, Rule, Verdict, Violation, What, check,
};
use serde_json::Value;
use uuid::Uuid;

use super::{figures::Figures, http::Connection};

/// Everything that was told so far, and the log as it was last read.
#[derive(Default)]
pub(super) struct Ledger {
    /// The log, up to the last verification.
    log: Vec<Logged>,
    versions: BTreeMap<String, u64>,
    sent: HashSet<Uuid>,
    /// Relaxed acknowledgements that nobody confirmed since.
    relaxed: HashSet<Uuid>,
    /// The ids of the verified log.
    known: HashSet<Uuid>,
    pub(super) figures: Figures,
}

impl Ledger {
    /// The highest position that was verified.
    pub(super) fn head(&self) -> u64 {
        self.log.len() as u64
    }

    /// The verified log.
    pub(super) fn log(&self) -> &[Logged] {
        &self.log
    }

    /// Notes an id before it is sent for the first time.
    pub(super) fn sends(&mut self, calls: &[Operation]) {
        for call in calls {
            if let What::Append { appends, .. } = &call.what {
                self.sent.extend(appends.iter().flat_map(|append| &append.ids));
            }
        }
    }

    pub(super) fn relaxed(&mut self, ids: impl IntoIterator<Item = Uuid>) {
        self.relaxed.extend(ids);
    }

    /// Compares what was told since the last time with what the server holds now. What does not fit is a violation;
    /// the history is written to `failed` then, one JSON line for each call and event.
    pub(super) fn verify(
        &mut self,
        server: &mut Connection,
        operations: Vec<Operation>,
        failed: &Path,
    ) -> Result<(), String> {
        self.sends(&operations);
        let start = self.head();
        let log = read_log(server, start)?;
        let history = History { start, versions: self.versions.clone(), closed: false, operations, log };
        let mut verdict = check(&history);
        self.older_observations(&history, &mut verdict);
        self.strangers(&history, &mut verdict);
        if !verdict.violations.is_empty() {
            let _ = std::fs::write(failed, history.to_json_lines());
        }
        self.account(&history, verdict);
        for event in history.log {
            self.versions.insert(event.stream.clone(), event.version);
            self.known.insert(event.id);
            self.log.push(event);
        }
        Ok(())
    }

    /// A subscriber that lags sees events that were verified rounds ago: they must be those.
    fn older_observations(&self, history: &History, verdict: &mut Verdict) {
        for call in &history.operations {
            let What::Read { saw, .. } = &call.what else { continue };
            for seen in saw.iter().filter(|seen| seen.position <= history.start) {
                let at = usize::try_from(seen.position).unwrap_or(0).wrapping_sub(1);
                if self.log.get(at) != Some(seen) {
                    let what = format!(
                        "{} was seen at {}, another event was verified there",
                        seen.id, seen.position
                    );
                    verdict.violations.push(Violation { rule: Rule::Phantom, what });
                }
            }
        }
    }

    fn strangers(&self, history: &History, verdict: &mut Verdict) {
        for event in history.log.iter().filter(|event| !event.stream.contains("/$")) {
            let (rule, what) = if self.known.contains(&event.id) {
                (Rule::Once, format!("{} is in the log again at {}", event.id, event.position))
            } else if self.sent.contains(&event.id) {
                continue;
            } else {
                (Rule::Phantom, format!("nobody sent {} at {}", event.id, event.position))
            };
            verdict.violations.push(Violation { rule, what });
        }
    }

    fn account(&mut self, history: &History, verdict: Verdict) {
        let figures = &mut self.figures;
        let there: HashSet<Uuid> = history.log.iter().map(|event| event.id).collect();
        let lost = self.relaxed.iter().filter(|id| !there.contains(id)).count();
        figures.relaxed += self.relaxed.len();
        figures.relaxed_lost += lost;
        self.relaxed.clear();
        figures.acknowledged += acknowledged(history);
        figures.events += history.log.len();
        figures.operations += verdict.operations;
        figures.unknown += verdict.unknown;
        figures.conflicts += verdict.conflicts;
        figures.batches += verdict.batches;
        figures.observations += verdict.observations;
        for violation in verdict.violations {
            figures.violated(violation.rule, violation.what);
        }
    }

    /// Reads the whole log again: nothing of what was ever verified may have changed.
    pub(super) fn verify_all(&mut self, server: &mut Connection) -> Result<(), String> {
        let again = read_log(server, 0)?;
        self.figures.observations += again.len();
        for (was, is) in self.log.iter().zip(&again) {
            if was != is {
                let what = format!("position {} was {} and is {}", was.position, was.id, is.id);
                self.figures.violated(Rule::Phantom, what);
            }
        }
        if again.len() < self.log.len() {
            let what = format!("the log ends at {}, {} was verified", again.len(), self.log.len());
            self.figures.violated(Rule::Acknowledged, what);
        }
        Ok(())
    }
}

/// How many events were acknowledged as durable, each counted once.
fn acknowledged(history: &History) -> usize {
    let mut ids: HashSet<Uuid> = HashSet::new();
    for call in &history.operations {
        if let What::Append { appends, outcome: Outcome::Acknowledged { .. } } = &call.what {
            ids.extend(appends.iter().flat_map(|append| &append.ids));
        }
    }
    ids.len()
}

/// Every event behind a position, Gesta's own too.
pub(super) fn read_log(server: &mut Connection, after: u64) -> Result<Vec<Logged>, String> {
    pages(server, after, "&system=true")?.iter().map(logged).collect()
}

/// Every event behind a position that the query asks for, page by page.
pub(super) fn pages(server: &mut Connection, after: u64, query: &str) -> Result<Vec<Value>, String> {
    let mut log: Vec<Value> = Vec::new();
    loop {
        let from = log.last().map_or(Some(after), |event| event["position"].as_u64());
        let from = from.ok_or("an event without position")?;
        let path = format!("/api/v1/log?after_position={from}&limit=1000{query}");
        let reply = server.get(&path).map_err(|cause| format!("the log cannot be read: {cause}"))?;
        if reply.status != 200 {
            return Err(format!("the log cannot be read: {} {}", reply.status, reply.text()));
        }
        let mut page = reply.json();
        let Value::Array(events) = page["events"].take() else {
            return Err("a page of the log without events".into());
        };
        let ended = events.is_empty() || page["next"].is_null();
        log.extend(events);
        if ended {
            return Ok(log);
        }
    }
}

/// An event as the wire shows it; its digest covers every field.
pub(super) fn logged(event: &Value) -> Result<Logged, String> {
    let text = |key: &str| event[key].as_str().ok_or_else(|| format!("an event without {key}: {event}"));
    let number = |key: &str| event[key].as_u64().ok_or_else(|| format!("an event without {key}: {event}"));
    Ok(Logged {
        position: number("position")?,
        version: number("version")?,
        stream: format!("{}/{}", text("tenant")?, text("stream")?),
        id: text("id")?.parse().map_err(|_| format!("no id: {event}"))?,
        digest: fnv(event.to_string().as_bytes()),
    })
}

fn fnv(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |sum, byte| (sum ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}
