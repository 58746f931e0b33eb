//! How a processor and its read model fare.

use std::time::Duration;

use gesta_core::{Position, Tenant};

use crate::ProcessorStatus;

/// How a processor and its read model fare.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProcessorInfo {
    /// Its durable name.
    pub name: String,
    /// Whose it is; `None` if it reads the events of all tenants.
    pub tenant: Option<Tenant>,
    /// What it maintains.
    pub kind: ProcessorKind,
    /// How the one at work fares: position, lag in events and time, last event, errors.
    pub status: ProcessorStatus,
    /// Whether it is to be paused.
    pub paused: bool,
    /// The generation that queries see, from 1; 0 for a handler.
    pub generation: u64,
    /// The generation to which one can go back.
    pub previous: Option<u64>,
    /// The rebuild that is running, or has stopped.
    pub rebuild: Option<RebuildProgress>,
    /// What an operator should know and do, such as that a table is gone.
    pub note: Option<String>,
    /// The other process that runs it, by the name that gave; `None` if this one does, or nobody, and where other
    /// processes are not [followed](crate::Processors::follow).
    pub owner: Option<String>,
}

/// What a processor maintains.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProcessorKind {
    /// Tables that are queried under these names, exactly once.
    Projection {
        /// The names.
        tables: Vec<String>,
    },
    /// Something of its own, at least once.
    Handler,
}

/// How far a generation is that is being built.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RebuildProgress {
    /// Its number.
    pub generation: u64,
    /// How its processor fares: `Stopped` with a reason if it cannot go on, then begin another rebuild.
    pub status: ProcessorStatus,
    /// Positions done.
    pub done: Position,
    /// Positions to do: the head of the log.
    pub of: Position,
    /// How long it takes until it has caught up, at its speed so far; `None` until that is known.
    pub time_left: Option<Duration>,
}
