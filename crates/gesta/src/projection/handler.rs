//! Runs a generation of a projection: the handler that saves its own checkpoint.

use std::sync::Arc;

use async_trait::async_trait;
use gesta_core::{
    Checkpoint, EventHandler, Filter, HandlerError, RecordedEvent, Saved, Turn,
    read_model::{Commit, ReadModelError, ReadModelStore, Statement},
};

use super::{Projection, Rows, rows::Tables};
use crate::planted;

/// A generation of a projection: events become rows of its own tables.
pub(crate) struct ProjectionHandler {
    projection: Arc<dyn Projection>,
    store: Arc<dyn ReadModelStore>,
    name: String,
    tables: Tables,
}

impl ProjectionHandler {
    /// Under this name, into the tables of this generation.
    pub(crate) fn new(
        projection: Arc<dyn Projection>,
        store: Arc<dyn ReadModelStore>,
        name: String,
        generation: u64,
    ) -> Self {
        let tables = Tables::of_generation(&projection.tables(), generation);
        Self { projection, store, name, tables }
    }

    /// Commits events, their checkpoint included. Under one epoch nobody else moves the checkpoint, so one that stands
    /// further on tells that an earlier try has come so far.
    async fn commit(&self, events: &[RecordedEvent], turn: &Turn) -> Result<(), HandlerError> {
        let statements = self.project(events)?;
        let reached = turn.checkpoint.position;
        let mut checkpoint = turn.checkpoint.clone();
        if planted::armed("checkpoint_outside_transaction") {
            checkpoint = Checkpoint { position: turn.after, ..checkpoint };
        }
        let (key, epoch, after) = (turn.key.clone(), turn.epoch, turn.after);
        let commit = Commit { key, epoch, after, checkpoint, statements };
        match self.store.commit(commit).await {
            Ok(()) => Ok(()),
            Err(ReadModelError::Moved { stands, .. }) if stands >= reached => Ok(()),
            Err(error) => Err(sorted(error, events)),
        }
    }

    fn project(&self, events: &[RecordedEvent]) -> Result<Vec<Statement>, HandlerError> {
        let mut rows = Rows::new(self.tables.clone());
        for event in events {
            self.projection.project(event, &mut rows).map_err(|error| bad(event, &error))?;
            if let Some(error) = rows.take_wrong() {
                return Err(bad(event, &error));
            }
        }
        Ok(rows.into_statements())
    }
}

#[async_trait]
impl EventHandler for ProjectionHandler {
    fn name(&self) -> &str {
        &self.name
    }

    fn filter(&self) -> Filter {
        self.projection.filter()
    }

    async fn handle(&self, _: &[RecordedEvent]) -> Result<(), HandlerError> {
        Err(HandlerError::Unusable("a projection saves its own checkpoint: let a processor run it".into()))
    }

    async fn handle_and_save(&self, events: &[RecordedEvent], turn: &Turn) -> Result<Saved, HandlerError> {
        self.commit(events, turn).await?;
        let apart = planted::armed("checkpoint_outside_transaction");
        Ok(if apart { Saved::No } else { Saved::Yes })
    }
}

/// What a failed commit means to the processor.
fn sorted(error: ReadModelError, events: &[RecordedEvent]) -> HandlerError {
    match error {
        ReadModelError::Unavailable { reason } => HandlerError::Transient(reason),
        error @ (ReadModelError::Stale { .. } | ReadModelError::Moved { .. }) => {
            HandlerError::TakenOver(error.to_string())
        }
        error @ ReadModelError::Values { .. } => match events {
            [event] => bad(event, &error),
            _ => HandlerError::Permanent(error.to_string()),
        },
        other => HandlerError::Unusable(other.to_string()),
    }
}

fn bad(event: &RecordedEvent, reason: &dyn std::fmt::Display) -> HandlerError {
    let RecordedEvent { position, id, event_type, stream, version, .. } = event;
    HandlerError::Permanent(format!(
        "the event at position {position} ({event_type} {id}, {stream} at version {version}) cannot be projected: \
         {reason}; correct the projection and raise its version, or have such events skipped"
    ))
}

/// The durable name of a generation's processor.
pub(crate) fn name_of(projection: &str, generation: u64) -> String {
    format!("{projection}@{generation}")
}
