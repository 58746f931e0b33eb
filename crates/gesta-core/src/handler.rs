//! What a processor runs.

use async_trait::async_trait;

use crate::{Checkpoint, CheckpointKey, Epoch, Filter, Position, RecordedEvent};

/// What a processor runs: it reacts to events and has a durable name.
///
/// Delivery is at least once: after a crash the events behind the last checkpoint come again, with the same id and the
/// same position, which are the keys to notice it by. A handler whose effects live beside its checkpoint saves both at
/// once, by [`EventHandler::handle_and_save`]: its effects happen exactly once.
#[async_trait]
pub trait EventHandler: Send + Sync {
    /// The durable name; its checkpoint is kept under it.
    fn name(&self) -> &str;

    /// Which events it wants.
    fn filter(&self) -> Filter;

    /// Handles a batch, in order. An error means that nothing of the batch counts as handled.
    async fn handle(&self, events: &[RecordedEvent]) -> Result<(), HandlerError>;

    /// Handles a batch and, if it can, saves the checkpoint that covers it in the same transaction. What a processor
    /// calls; unless written anew it is [`EventHandler::handle`], and the processor saves.
    async fn handle_and_save(&self, events: &[RecordedEvent], _turn: &Turn) -> Result<Saved, HandlerError> {
        self.handle(events).await.map(|()| Saved::No)
    }
}

/// Under which claim a batch is handled, and how far that brings the checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Turn {
    /// The processor's checkpoint.
    pub key: CheckpointKey,
    /// The epoch of its owner.
    pub epoch: Epoch,
    /// Where the checkpoint stands.
    pub after: Position,
    /// What it is once the batch is handled.
    pub checkpoint: Checkpoint,
}

/// Whether a handler has saved the checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Saved {
    /// Together with its effects.
    Yes,
    /// No: the processor does.
    No,
}

/// Why a batch was not handled.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum HandlerError {
    /// May pass: try again after a while.
    #[error("{0}")]
    Transient(String),
    /// Will not pass by itself, because of the events: stop and say so, or leave the event out, as declared.
    #[error("{0}")]
    Permanent(String),
    /// The handler cannot work on any event: stop and say so, and leave nothing out.
    #[error("{0}")]
    Unusable(String),
    /// Another owner has taken the checkpoint over: let it go on.
    #[error("{0}")]
    TakenOver(String),
}
