//! Why a processor could not be added, found or told something.

use std::time::Duration;

use gesta_core::{CheckpointError, Position, read_model::ReadModelError};

/// Why a processor could not be added, found or told something.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProcessorsError {
    /// None of this name runs here.
    #[error("no processor is called {name:?} here")]
    Unknown {
        /// The name.
        name: String,
    },
    /// The definition cannot be used.
    #[error("{reason}")]
    Illegal {
        /// Why, and what to do.
        reason: String,
    },
    /// There is one of this name already.
    #[error("a processor called {name:?} was added already: choose another name")]
    Taken {
        /// The name.
        name: String,
    },
    /// It is no projection, so there is nothing to build.
    #[error("{name} is no projection: it can be reset, not rebuilt")]
    NoProjection {
        /// The name.
        name: String,
    },
    /// A rebuild is running already.
    #[error("{name} is being rebuilt already, generation {generation}: wait for it")]
    Rebuilding {
        /// The name.
        name: String,
        /// What is being built.
        generation: u64,
    },
    /// There is no rebuild to give up.
    #[error("{name} is not being rebuilt, so there is nothing to cancel")]
    NothingBuilt {
        /// The name.
        name: String,
    },
    /// There is no generation to go back to.
    #[error("{name} has no generation before {generation} to go back to")]
    NothingBefore {
        /// The name.
        name: String,
        /// The one at work.
        generation: u64,
    },
    /// The backend offers no read models.
    #[error("{name} cannot run: this backend offers no read models")]
    NoReadModels {
        /// The projection.
        name: String,
    },
    /// Checkpoints or read models cannot be used now: try again.
    #[error("{reason}")]
    Unavailable {
        /// Why.
        reason: String,
    },
}

impl From<CheckpointError> for ProcessorsError {
    fn from(error: CheckpointError) -> Self {
        Self::Unavailable { reason: error.to_string() }
    }
}

impl From<ReadModelError> for ProcessorsError {
    fn from(error: ReadModelError) -> Self {
        match error {
            ReadModelError::Unavailable { .. }
            | ReadModelError::Stale { .. }
            | ReadModelError::Moved { .. } => Self::Unavailable { reason: error.to_string() },
            other => Self::Illegal { reason: other.to_string() },
        }
    }
}

/// Why a wait for a position ended without it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WaitError {
    /// None of this name runs here.
    #[error("no processor is called {name:?} here")]
    Unknown {
        /// The name.
        name: String,
    },
    /// It does not run, so it will not get there.
    #[error("{name} stands at {stands} and does not run: {reason}")]
    Stopped {
        /// Which one.
        name: String,
        /// How far it came.
        stands: Position,
        /// Why it does not run.
        reason: String,
    },
    /// It did not get there in time.
    #[error(
        "{name} stands at {stands} after {waited:?}, not yet at {asked}: ask again, or take what there is"
    )]
    Timeout {
        /// Which one.
        name: String,
        /// Where it was to be.
        asked: Position,
        /// How far it came.
        stands: Position,
        /// How long it was waited for.
        waited: Duration,
    },
}
