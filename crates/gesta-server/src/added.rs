//! What a program adds to its server, and how a part of it fares that only the program knows of.

use std::sync::Arc;

use gesta::{Aggregates, ProcessorInfo, ProcessorState, Processors};
use gesta_api::HealthStatus;

/// What a program adds, as handlers see it.
#[derive(Clone)]
pub(crate) struct Added {
    /// What the program is called.
    pub(crate) name: Arc<str>,
    /// What its parts say of themselves.
    pub(crate) checks: Vec<Check>,
    /// The document of all routes.
    pub(crate) document: Arc<str>,
    /// What reacts to the log in this process.
    pub(crate) processors: Option<Arc<Processors>>,
    /// What streams add up to.
    pub(crate) aggregates: Aggregates,
}

/// How a part fares, for `/health`. The whole fares no better than its worst part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// All is well.
    Healthy,
    /// It does less than everything: `/health` says so, and still answers 200.
    Degraded {
        /// What is wrong, and what to do.
        reason: String,
    },
    /// It does nothing: `/health` answers 503.
    Unhealthy {
        /// What is wrong, and what to do.
        reason: String,
    },
}

/// A part by its name, and how to ask it. Asking is cheap and never waits.
#[derive(Clone)]
pub(crate) struct Check {
    pub(crate) name: String,
    pub(crate) ask: Arc<dyn Fn() -> Part + Send + Sync>,
}

impl Part {
    /// In a word, and in a sentence.
    pub(crate) fn told(self) -> (HealthStatus, String) {
        match self {
            Self::Healthy => (HealthStatus::Healthy, "ok".to_owned()),
            Self::Degraded { reason } => (HealthStatus::Degraded, reason),
            Self::Unhealthy { reason } => (HealthStatus::Unhealthy, reason),
        }
    }
}

/// A processor that has stopped with an error makes the server do less. What went wrong may tell of events, which is
/// nothing for everybody who may ask for the health.
pub(crate) fn of_processors(all: &[ProcessorInfo]) -> Part {
    let has_failed = |info: &&ProcessorInfo| {
        matches!(info.status.state, ProcessorState::Stopped { reason: Some(_) }) || info.note.is_some()
    };
    let failed: Vec<&str> = all.iter().filter(has_failed).map(|info| info.name.as_str()).collect();
    if failed.is_empty() {
        return Part::Healthy;
    }
    let reason = format!("{}: see GET /api/v1/processors for what to do", failed.join(", "));
    Part::Degraded { reason }
}
