//! What a processor runs.

use async_trait::async_trait;

use crate::{Filter, RecordedEvent};

/// What a processor runs: it reacts to events and has a durable name.
///
/// Delivery is at least once: after a crash the events behind the last checkpoint come again.
#[async_trait]
pub trait EventHandler: Send + Sync {
    /// The durable name; its checkpoint is kept under it.
    fn name(&self) -> &str;

    /// Which events it wants.
    fn filter(&self) -> Filter;

    /// Handles a batch, in order. An error means that nothing of the batch counts as handled.
    async fn handle(&self, events: &[RecordedEvent]) -> Result<(), HandlerError>;
}

/// Why a batch was not handled.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum HandlerError {
    /// May pass: try again after a while.
    #[error("{0}")]
    Transient(String),
    /// Will not pass by itself: stop, and say so.
    #[error("{0}")]
    Permanent(String),
}
