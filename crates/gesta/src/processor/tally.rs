//! What a processor remembers beside its position.

use std::collections::BTreeSet;

use bytes::Bytes;
use gesta_core::{Epoch, Position, RecordedEvent, StreamId, Tenant, Timestamp, Version};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::letters::Letters;

/// What a processor remembers beside its position: the state of its checkpoint.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Tally {
    /// The last event that was handled.
    pub(crate) event: Option<Uuid>,
    /// When that was, in microseconds.
    pub(crate) at: Option<i64>,
    /// Events handled so far.
    pub(crate) processed: u64,
    /// Decisions about dead letters are carried out up to this version of the processor's stream.
    #[serde(skip_serializing_if = "is_none")]
    pub(crate) carried_out: Version,
    /// Up to this version of the processor's stream it is settled which records of dead letters are void.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) known: Option<Version>,
    /// Those that are.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub(crate) void: BTreeSet<Version>,
    /// The decision that is being carried out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) releasing: Option<Releasing>,
}

/// How far a stream is released that was held behind a dead letter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Releasing {
    pub(crate) tenant: Tenant,
    pub(crate) stream: StreamId,
    /// The decision, by its version in the processor's stream.
    pub(crate) decision: Version,
    /// Earlier versions are handled or discarded.
    pub(crate) next: Version,
}

impl Tally {
    /// What was saved; nothing where an earlier release saved no more than that it began.
    pub(crate) fn from_bytes(state: &[u8]) -> Self {
        serde_json::from_slice(state).unwrap_or_default()
    }

    /// Never empty: that tells a processor that stands at the start from one that never began.
    pub(crate) fn to_bytes(&self) -> Bytes {
        serde_json::to_vec(self).expect("ids, names and numbers are JSON").into()
    }

    /// With these events handled at this time.
    pub(super) fn with(&self, events: &[RecordedEvent], at: Timestamp) -> Self {
        let Some(last) = events.last() else { return self.clone() };
        Self {
            event: Some(last.id),
            at: Some(at.as_micros()),
            processed: self.processed + events.len() as u64,
            ..self.clone()
        }
    }
}

fn is_none(version: &Version) -> bool {
    *version == Version::EMPTY
}

/// Where a running processor stands.
#[derive(Debug)]
pub(super) struct Standing {
    /// Under which claim it runs.
    pub(super) epoch: Epoch,
    /// Everything up to here is handled, and saved.
    pub(super) saved: Position,
    /// Everything up to here is handled.
    pub(super) handled: Position,
    pub(super) tally: Tally,
    /// What was left out, and not decided about.
    pub(super) letters: Letters,
}
