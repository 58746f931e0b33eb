//! Why an event cannot be projected.

use gesta_core::InvalidMetadata;

/// Why an event cannot be projected, in one sentence. The processor adds position, id and type of the event.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct ProjectionError {
    reason: String,
}

impl ProjectionError {
    /// An error with this reason.
    pub fn new(reason: impl std::fmt::Display) -> Self {
        Self { reason: reason.to_string() }
    }
}

impl From<serde_json::Error> for ProjectionError {
    fn from(error: serde_json::Error) -> Self {
        Self::new(format_args!("its data cannot be read: {error}"))
    }
}

impl From<InvalidMetadata> for ProjectionError {
    fn from(error: InvalidMetadata) -> Self {
        Self::new(format_args!("its metadata cannot be read: {error}"))
    }
}
