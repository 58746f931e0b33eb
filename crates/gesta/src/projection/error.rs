//! Why an event cannot be projected.

use gesta_core::InvalidMetadata;

use crate::unreadable::Unreadable;

/// Why an event cannot be projected, in one sentence. The processor adds position, id and type of the event.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct ProjectionError {
    reason: String,
}

impl ProjectionError {
    /// An error with this reason. It is logged and shown with the processor, so it repeats no values of the event.
    pub fn new(reason: impl std::fmt::Display) -> Self {
        Self { reason: reason.to_string() }
    }
}

/// Only the kind and the place of what is wrong are taken: serde's own words repeat what they found.
impl From<serde_json::Error> for ProjectionError {
    fn from(error: serde_json::Error) -> Self {
        Self::new(format_args!("its data cannot be read: {}", Unreadable(&error)))
    }
}

impl From<InvalidMetadata> for ProjectionError {
    fn from(_: InvalidMetadata) -> Self {
        Self::new("its metadata cannot be read: it is no JSON object whose reserved keys have their types")
    }
}
