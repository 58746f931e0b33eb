//! Processors: what reacts to the log in a server's process, and the read models they maintain.

use gesta_core::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

/// A processor and how it fares.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Processor {
    /// Its durable name.
    pub name: String,
    /// What it maintains.
    pub kind: ProcessorKind,
    /// Under which names its read model is queried; empty for a handler.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tables: Vec<String>,
    /// Whose events it handles; absent when it handles those of all tenants.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
    /// Which generation of the read model is queried, from 1; 0 for a handler.
    pub generation: u64,
    /// The generation that `swap-back` puts back in place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous_generation: Option<u64>,
    /// How it fares.
    #[serde(flatten)]
    pub progress: Progress,
    /// The rebuild that runs, or has stopped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rebuild: Option<Rebuild>,
    /// What somebody should know and do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// The other process that runs it, by its name and address; absent when the server that answers does, or nobody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
}

/// What a processor maintains.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ProcessorKind {
    /// A read model, exactly once; it can be rebuilt.
    Projection,
    /// Something of its own, at least once.
    Handler,
}

/// What a processor does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ProcessorState {
    /// Claims its place, or waits until another process ends.
    Waiting,
    /// Handles events, or waits for them.
    Running,
    /// Waits after a failure, and tries again.
    Retrying,
    /// Was told to pause.
    Paused,
    /// Does nothing any more.
    Stopped,
}

/// How far a processor is, and how it fares.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Progress {
    /// What it does.
    pub state: ProcessorState,
    /// Why it waits, tries again or has stopped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Everything up to here is handled, and saved.
    pub position: u64,
    /// The head of the log when it was last looked at.
    pub head: u64,
    /// How many positions lie between the two.
    pub lag_events: u64,
    /// How old the last handled event was when it was handled, in milliseconds; 0 when there is none left to handle.
    pub lag_ms: u64,
    /// The last event that was handled.
    pub last_event_id: Option<Uuid>,
    /// When it was handled.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub last_processed_at: Option<Timestamp>,
    /// Events handled in all, before the last restart too.
    pub processed: u64,
    /// Events left out since the start of the process: dead letters, and what waits behind them.
    pub skipped: u64,
    /// Dead letters that wait for a decision; each holds its stream.
    #[serde(default)]
    pub dead_letters: u64,
    /// Attempts that failed since the start of the process.
    pub errors: u64,
    /// The last failure.
    pub last_error: Option<String>,
}

/// A generation of a read model that is being built beside the one at work.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Rebuild {
    /// Its number.
    pub generation: u64,
    /// What its processor does: `stopped` when it cannot go on, then begin another rebuild.
    pub state: ProcessorState,
    /// Why it waits, tries again or has stopped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Positions done.
    pub done: u64,
    /// Positions to do: the head of the log.
    pub of: u64,
    /// How long it takes to catch up, at its speed so far; `null` until that is known.
    pub time_left_ms: Option<u64>,
}

/// Every processor that the caller may see, by name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Processors {
    /// The processors.
    pub processors: Vec<Processor>,
}
