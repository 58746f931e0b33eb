//! Read models in `state.db`: rows and checkpoint in one transaction of its writer.

use std::sync::Arc;

use async_trait::async_trait;
use gesta_core::{
    CheckpointError, SystemClock,
    read_model::{Commit, ReadModelError, ReadModelStore, Row, Statement},
};
use rusqlite::Connection;

use crate::{
    checkpoints::{self, Checkpoints},
    state::{Guard, State, StateError},
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
        let done = self.state().write(move |connection| commit_in(connection, &guard, &commit)).await;
        done.map_err(unavailable)?
    }

    async fn query_together(&self, statements: Vec<Statement>) -> Result<Vec<Vec<Row>>, ReadModelError> {
        let answered = self
            .state()
            .query(move |connection, guard| answer::all(connection, guard, &statements, answer::LONGEST));
        answered.await.map_err(unavailable)?
    }
}

fn unavailable(error: StateError) -> ReadModelError {
    ReadModelError::Unavailable { reason: error.to_string() }
}

/// Checks the epoch, runs the statements and moves the checkpoint. The transaction may hold the work of others, so what
/// fails is taken back to where it began.
fn commit_in(
    connection: &Connection,
    guard: &Guard,
    commit: &Commit,
) -> rusqlite::Result<Result<(), ReadModelError>> {
    if let Err(refused) = stands(connection, commit)? {
        return Ok(Err(refused));
    }
    connection.prepare_cached("SAVEPOINT read_model")?.execute([])?;
    if let Err(failed) = run::all(connection, guard, &commit.statements) {
        connection.prepare_cached("ROLLBACK TO read_model")?.execute([])?;
        connection.prepare_cached("RELEASE read_model")?.execute([])?;
        return Ok(Err(failed));
    }
    connection.prepare_cached("RELEASE read_model")?.execute([])?;
    checkpoints::save(connection, &commit.key, commit.epoch, &commit.checkpoint)
        .map(|saved| saved.map_err(ReadModelError::from))
}

/// Whether the epoch is the current one and the checkpoint stands where the caller thinks.
fn stands(connection: &Connection, commit: &Commit) -> rusqlite::Result<Result<(), ReadModelError>> {
    let Commit { key, epoch, after, .. } = commit;
    let held: Result<(), CheckpointError> = checkpoints::holds(connection, key, *epoch)?;
    if let Err(refused) = held {
        return Ok(Err(refused.into()));
    }
    if checkpoints::is_damaged(connection, key)? {
        // Going on from the start over full tables would count everything twice.
        let reason = format!(
            "the checkpoint of {key} in state.db is damaged: rebuild the read model, or move state.db away and let all \
             of them be filled again"
        );
        return Ok(Err(ReadModelError::Unavailable { reason }));
    }
    let stands = checkpoints::find(connection, key)?.position;
    let moved = || ReadModelError::Moved { key: key.clone(), expected: *after, stands };
    Ok(if stands == *after { Ok(()) } else { Err(moved()) })
}
