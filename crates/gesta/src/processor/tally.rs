//! What a processor remembers beside its position.

use bytes::Bytes;
use gesta_core::{Position, RecordedEvent, Timestamp};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// What a processor remembers beside its position: the state of its checkpoint.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Tally {
    /// The last event that was handled.
    pub(crate) event: Option<Uuid>,
    /// When that was, in microseconds.
    pub(crate) at: Option<i64>,
    /// Events handled so far.
    pub(crate) processed: u64,
}

impl Tally {
    /// What was saved; nothing where an earlier release saved no more than that it began.
    pub(crate) fn from_bytes(state: &[u8]) -> Self {
        serde_json::from_slice(state).unwrap_or_default()
    }

    /// Never empty: that tells a processor that stands at the start from one that never began.
    pub(crate) fn to_bytes(self) -> Bytes {
        serde_json::to_vec(&self).expect("an id and numbers are JSON").into()
    }

    /// With these events handled at this time.
    pub(super) fn with(self, events: &[RecordedEvent], at: Timestamp) -> Self {
        let Some(last) = events.last() else { return self };
        Self {
            event: Some(last.id),
            at: Some(at.as_micros()),
            processed: self.processed + events.len() as u64,
        }
    }
}

/// Where a running processor stands.
#[derive(Debug, Clone, Copy)]
pub(super) struct Standing {
    /// Everything up to here is handled, and saved.
    pub(super) saved: Position,
    /// Everything up to here is handled.
    pub(super) handled: Position,
    pub(super) tally: Tally,
}
