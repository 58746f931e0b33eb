//! What processors left out.

use gesta_core::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{Envelope, Problem, query::text::only};

/// An event that a processor left out after its last attempt, and why. The later events of its stream wait behind it.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct DeadLetter<'a> {
    /// The event's id.
    pub event_id: Uuid,
    /// The stream it belongs to.
    pub stream_id: String,
    /// Whose event; absent when it is the caller's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
    /// Its place in the stream.
    pub version: u64,
    /// Its place in the log.
    pub position: u64,
    /// Its type.
    pub event_type: String,
    /// How often it was tried, replays included.
    pub attempts: u32,
    /// What the handler said last.
    pub reason: String,
    /// When it failed for the first time.
    #[schema(value_type = String, format = DateTime)]
    pub first_failed_at: Timestamp,
    /// When it failed for the last time.
    #[schema(value_type = String, format = DateTime)]
    pub last_failed_at: Timestamp,
    /// How many later events of its stream wait behind it, counted up to 1,000.
    pub held: u64,
    /// Whether somebody has decided about it, and the processor has not come to it yet.
    pub decided: bool,
    /// The event, if it was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<Envelope<'a>>,
}

/// The dead letters of a processor, oldest first; at most 1,000.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct DeadLetters<'a> {
    /// The letters.
    pub dead_letters: Vec<DeadLetter<'a>>,
}

/// How many dead letters a processor has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DeadLetterStatistics {
    /// All of them.
    pub count: u64,
    /// By the type of the event, in the order of their names.
    pub by_type: Vec<DeadLettersOfType>,
}

/// How many dead letters of one type a processor has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DeadLettersOfType {
    /// The type of the events.
    pub event_type: String,
    /// How many there are.
    pub count: u64,
    /// How often all of them were tried.
    pub attempts: u64,
    /// When the first of them failed for the first time.
    #[schema(value_type = String, format = DateTime)]
    pub first_failed_at: Timestamp,
    /// When the last of them failed for the last time.
    #[schema(value_type = String, format = DateTime)]
    pub last_failed_at: Timestamp,
}

impl DeadLetters<'_> {
    /// Whether a query asks for the events themselves, by `events=true`. Fails on anything else in it.
    pub fn with_events(query: &str) -> Result<bool, Problem> {
        Ok(only(query, "events")?.unwrap_or(false))
    }
}
