//! Why a command did not take effect.

use gesta_core::{AppendError, Conflict, InvalidStreamId, StreamId};
use uuid::Uuid;

use super::LoadError;
use crate::aggregate::Rejection;

/// Why a command was not executed. Only [`ExecuteError::Unknown`] leaves open whether it took effect.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExecuteError<R: Rejection> {
    /// A rule says no. Another state or another command may pass; the same again will not.
    #[error("{0}")]
    Rejected(#[source] R),
    /// The aggregate is not at the version the command expects, or other writers came first every time.
    #[error("{conflict} (decided {attempts} times)")]
    Conflict {
        /// The stream with the expected and the actual version.
        conflict: Conflict,
        /// How often it was decided; 0 when the version the command expects did not hold.
        attempts: u32,
    },
    /// A command of this id took effect on another aggregate.
    #[error("command id {id} was used for {stream}: make a new id for another command")]
    CommandIdTaken {
        /// The command's id.
        id: Uuid,
        /// Where it took effect.
        stream: StreamId,
    },
    /// The key cannot be a part of a stream's name.
    #[error(transparent)]
    Key(#[from] InvalidStreamId),
    /// The aggregate could not be loaded.
    #[error(transparent)]
    Load(LoadError),
    /// An event that was decided cannot be written as JSON. A mistake in the event's type; nothing was stored.
    #[error("event {event_type} cannot be written: {source}; change its fields so that serde can write them")]
    Encode {
        /// The event's kind.
        event_type: &'static str,
        /// What serde said.
        source: serde_json::Error,
    },
    /// The store took nothing: it is busy, unavailable, or refuses the events as they are.
    #[error(transparent)]
    Store(AppendError),
    /// The command may have taken effect or not. Execute it again with the same id to find out.
    #[error("the outcome of command {id} is unknown: {reason}; execute it again with the same id")]
    Unknown {
        /// The command's id.
        id: Uuid,
        /// What the store said.
        reason: String,
    },
}

impl<R: Rejection> ExecuteError<R> {
    /// Whether the same command may succeed later without a change: the store is busy, unavailable or did not answer.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Store(error) => error.is_transient(),
            Self::Unknown { .. } => true,
            Self::Load(LoadError::Read(error)) => {
                matches!(error, gesta_core::ReadError::Unavailable { .. })
            }
            _ => false,
        }
    }

    /// The rule's no, if that is what it is.
    pub fn rejection(&self) -> Option<&R> {
        match self {
            Self::Rejected(rejection) => Some(rejection),
            _ => None,
        }
    }
}

impl<R: Rejection> From<LoadError> for ExecuteError<R> {
    fn from(error: LoadError) -> Self {
        match error {
            LoadError::Key(invalid) => Self::Key(invalid),
            other => Self::Load(other),
        }
    }
}

impl<R: Rejection> From<gesta_core::ReadError> for ExecuteError<R> {
    fn from(error: gesta_core::ReadError) -> Self {
        Self::Load(error.into())
    }
}
