//! Read models in `state.db`: rows and checkpoint in one transaction of its writer.

use std::sync::Arc;

use async_trait::async_trait;
use gesta_core::{
    Checkpoint, CheckpointError, SystemClock,
    read_model::{Commit, ReadModelError, ReadModelStore, Row, Statement},
};
use rusqlite::Connection;

use crate::{
    checkpoints::{self, Checkpoints},
    state::{Failed, Guard, State, StateError},
};

mod answer;
mod failure;
mod run;

/// Read models in memory, for tests: every law but durability. Gone with the last clone of what is answered.
///
/// Fails when SQLite is too old or has no memory.
pub fn read_models_in_memory() -> Result<Arc<dyn ReadModelStore>, StateError> {
    let state = Arc::new(State::in_memory()?);
    Ok(Arc::new(Checkpoints::of(state, Arc::new(SystemClock))))
}

#[async_trait]
impl ReadModelStore for Checkpoints {
    async fn commit(&self, commit: Commit) -> Result<(), ReadModelError> {
        let guard = self.state().guard();
        self.state().write(move |connection| commit_in(connection, &guard, &commit)).await
    }

    async fn query_together(&self, statements: Vec<Statement>) -> Result<Vec<Vec<Row>>, ReadModelError> {
        let all =
            move |connection: &_, guard: &_| answer::all(connection, guard, &statements, answer::LONGEST);
        self.state().query(all).await
    }
}

impl From<StateError> for ReadModelError {
    fn from(error: StateError) -> Self {
        Self::Unavailable { reason: error.to_string() }
    }
}

impl From<Failed<CheckpointError>> for Failed<ReadModelError> {
    fn from(failed: Failed<CheckpointError>) -> Self {
        match failed {
            Failed::Sql(error) => Self::Sql(error),
            Failed::Refused(error) => Self::Refused(error.into()),
        }
    }
}

/// Checks the epoch, runs the statements and moves the checkpoint. The transaction may hold the work of others, so what
/// fails is taken back to where it began.
fn commit_in(connection: &Connection, guard: &Guard, commit: &Commit) -> Result<(), Failed<ReadModelError>> {
    stands(connection, commit)?;
    connection.prepare_cached("SAVEPOINT read_model")?.execute([])?;
    if let Err(failed) = run::all(connection, guard, &commit.statements) {
        connection.prepare_cached("ROLLBACK TO read_model")?.execute([])?;
        connection.prepare_cached("RELEASE read_model")?.execute([])?;
        return Err(Failed::Refused(failed));
    }
    connection.prepare_cached("RELEASE read_model")?.execute([])?;
    Ok(checkpoints::save(connection, &commit.key, commit.epoch, &commit.checkpoint)?)
}

/// Whether the epoch is the current one and the checkpoint stands where the caller thinks.
fn stands(connection: &Connection, commit: &Commit) -> Result<(), Failed<ReadModelError>> {
    let Commit { key, epoch, after, .. } = commit;
    checkpoints::holds(connection, key, *epoch)?;
    let Some(Checkpoint { position: stands, .. }) = checkpoints::find(connection, key)? else {
        // Going on from the start over full tables would count everything twice.
        let reason = format!(
            "the checkpoint of {key} in state.db is damaged: rebuild the read model, or move state.db away and let all \
             of them be filled again"
        );
        return Err(Failed::Refused(ReadModelError::Unavailable { reason }));
    };
    if stands == *after {
        return Ok(());
    }
    Err(Failed::Refused(ReadModelError::Moved { key: key.clone(), expected: *after, stands }))
}
