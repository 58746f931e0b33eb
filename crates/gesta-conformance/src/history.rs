//! What clients did and what the log holds in the end, and whether one order explains it all.
//!
//! Ids are unique and the log is a total order, so every append that took effect has its instant already: its
//! place. What is left to find for a read or a conflict is an instant between its call and its reply at which the
//! log was as it said, and no instant may lie before that of anything which was answered before the call. Taking the
//! earliest instant each time is always best, so one sweep in order of the calls decides it: O(n log n), no search.

use std::collections::BTreeMap;

use gesta_core::{ExpectedVersion, RecordedEvent};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

mod check;
mod index;
mod real_time;
mod verdict;

pub use check::check;
pub use verdict::{Rule, Verdict, Violation};

/// What clients did, in any order, and the log at the end.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct History {
    /// The position before the first event that is looked at.
    pub start: u64,
    /// The versions that streams had at the start; a stream that is not named was empty.
    pub versions: BTreeMap<String, u64>,
    /// Whether nobody but these clients appended, so that every event must be theirs.
    pub closed: bool,
    /// What clients did.
    pub operations: Vec<Operation>,
    /// The log behind the start, in the order it was read.
    pub log: Vec<Logged>,
}

/// One call of one client. Times are of one clock, in any unit; only their order counts.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Operation {
    /// Who called; a client makes one call after the other.
    pub client: u32,
    /// When the call was made.
    pub invoked: u64,
    /// When the reply was there; `u64::MAX` if none came.
    pub returned: u64,
    /// What it was.
    pub what: What,
}

/// What a call asked for and what it was told.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// An append.
    Append {
        /// What should go where.
        appends: Vec<Wanted>,
        /// What came of it.
        outcome: Outcome,
    },
    /// A read, or what one delivery of a subscription held: events behind `after`, oldest first.
    Read {
        /// The stream that was read; the whole log if none.
        stream: Option<String>,
        /// Behind this position of the log, or this version of the stream.
        after: u64,
        /// Whether it may have stopped before the end, at its limit.
        limited: bool,
        /// What was seen.
        saw: Vec<Logged>,
    },
}

/// The part of an append that concerns one stream.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Wanted {
    /// The stream, its tenant before it.
    pub stream: String,
    /// What was expected of it.
    pub expected: ExpectedVersion,
    /// The ids of the events.
    pub ids: Vec<Uuid>,
}

/// What a caller was told of its append.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It is durable, at these positions and versions. A relaxed acknowledgement is [`Outcome::Unknown`] here.
    Acknowledged {
        /// Position and version of each event.
        places: Vec<(u64, u64)>,
        /// Whether it was there already.
        repeated: bool,
    },
    /// A stream was at another version.
    Conflict {
        /// Which stream.
        stream: String,
        /// Its version.
        actual: u64,
    },
    /// It was refused for another reason and has no effect.
    Refused,
    /// Nobody knows.
    Unknown,
}

/// An event as far as histories compare it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Logged {
    /// Its place in the log.
    pub position: u64,
    /// Its place in the stream.
    pub version: u64,
    /// The stream, its tenant before it.
    pub stream: String,
    /// Its id.
    pub id: Uuid,
    /// Its content in a number.
    pub digest: u64,
}

impl Operation {
    /// Whether it is an append that was refused without an effect.
    pub(crate) fn is_refused(&self) -> bool {
        matches!(&self.what, What::Append { outcome: Outcome::Refused, .. })
    }
}

impl Logged {
    /// An event as read.
    pub fn of(event: &RecordedEvent) -> Self {
        Self {
            position: event.position.get(),
            version: event.version.get(),
            stream: format!("{}/{}", event.tenant, event.stream),
            id: event.id,
            digest: crate::model::digest(std::slice::from_ref(event), 0),
        }
    }
}

impl History {
    /// One JSON line for each call and each event, for other people's checkers.
    pub fn to_json_lines(&self) -> String {
        let line = |value: serde_json::Result<String>| value.expect("a history serializes") + "\n";
        let calls = self.operations.iter().map(|call| line(serde_json::to_string(call)));
        let log = self.log.iter().map(|event| line(serde_json::to_string(event)));
        calls.chain(log).collect()
    }
}

#[cfg(test)]
mod tests;
