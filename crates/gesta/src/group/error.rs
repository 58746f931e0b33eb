//! Why a group did not do what it was asked.

use std::time::Duration;

use gesta_core::{AppendError, CheckpointError, CheckpointKey, ReadError};

use super::DeliveryId;
use crate::lease::Lost;

/// Why a group did not do what it was asked.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum GroupError {
    /// The name cannot be a group's.
    #[error("illegal group name {name:?}: use 1 to 249 of A-Z a-z 0-9 . _ - : @ + = ~")]
    IllegalName {
        /// What was given, cut to 300 characters.
        name: String,
    },
    /// The definition cannot be a group's.
    #[error("illegal group definition: {reason}")]
    IllegalDefinition {
        /// What is wrong with it.
        reason: String,
    },
    /// There is no such group.
    #[error("there is no group {name}: create it first")]
    NotFound {
        /// The name.
        name: String,
    },
    /// The group exists with another definition.
    #[error("group {name} exists with another definition: remove it first or take another name")]
    Exists {
        /// The name.
        name: String,
    },
    /// Some deliveries are no longer the consumer's: their lease is over, or they were given back when an event before
    /// them failed, or the group has a new owner. Their events come again. The other deliveries were counted.
    #[error("{} deliveries are no longer yours, {counted} counted: their events come again", lost.len())]
    LeaseLost {
        /// How many deliveries of the request counted all the same.
        counted: usize,
        /// The others.
        lost: Vec<DeliveryId>,
    },
    /// The group cannot answer now; nothing of the request took effect unless it is an acknowledgement, which may have.
    #[error("the group is busy: {reason}; try again in {retry_after:?}")]
    Busy {
        /// Why.
        reason: String,
        /// When to try again.
        retry_after: Duration,
    },
    /// Another process runs the group: ask that one. Nothing of the request took effect unless it is an acknowledgement,
    /// which may have.
    #[error("the group is run by {owner} for another {remaining:?}, unless renewed: ask there")]
    Elsewhere {
        /// The checkpoint that the other process has.
        key: CheckpointKey,
        /// The process, by the name it gave when it opened its groups.
        owner: String,
        /// For how much longer, unless renewed.
        remaining: Duration,
    },
    /// No process runs the group, and this one may not.
    #[error("no process runs the group {name}, and this one runs none: ask one that does")]
    Unclaimed {
        /// The name.
        name: String,
    },
    /// The store under the group failed; try again once it is healthy.
    #[error("the store under the group failed: {0}")]
    Store(String),
}

impl GroupError {
    pub(crate) fn busy(reason: impl Into<String>) -> Self {
        Self::Busy { reason: reason.into(), retry_after: Duration::from_secs(1) }
    }

    pub(crate) fn not_found(name: &str) -> Self {
        Self::NotFound { name: name.into() }
    }
}

impl From<ReadError> for GroupError {
    fn from(error: ReadError) -> Self {
        Self::Store(error.to_string())
    }
}

impl From<AppendError> for GroupError {
    fn from(error: AppendError) -> Self {
        match error {
            AppendError::Busy { reason } => Self::busy(reason),
            AppendError::Conflict(_) | AppendError::IdTaken { .. } => {
                Self::busy("it was changed elsewhere just now")
            }
            other => Self::Store(other.to_string()),
        }
    }
}

impl From<Lost> for GroupError {
    fn from(lost: Lost) -> Self {
        match lost {
            Lost::RanOut => Self::busy("its claim ran out"),
            Lost::Taken(error) => error.into(),
            Lost::Given(reason) => Self::busy(reason),
        }
    }
}

impl From<CheckpointError> for GroupError {
    fn from(error: CheckpointError) -> Self {
        match error {
            CheckpointError::Owned { key, owner, remaining } => Self::Elsewhere { key, owner, remaining },
            CheckpointError::Stale { .. } => Self::busy(error.to_string()),
            other => Self::Store(other.to_string()),
        }
    }
}
