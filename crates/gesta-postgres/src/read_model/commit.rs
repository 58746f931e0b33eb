//! One commit: the epoch, where the checkpoint stands, the rows and the checkpoint in one transaction.

use std::time::Duration;

use gesta_core::read_model::{Commit, ReadModelError};
use tokio_postgres::{
    Client, Error,
    types::{ToSql, Type},
};
use uuid::Uuid;

use super::{TRIES, bind, failure, failure::Failure, guard};
use crate::{
    checkpoints::write::{Write, epoch, too_large},
    database::Database,
    flight::{self, Sent},
    shared::{bound, position},
};

/// How long to wait before a transaction that was taken back is tried again: up to so long, by chance.
const PAUSE: Duration = Duration::from_millis(40);

/// Makes a commit. One whose answer was lost is settled by what the checkpoint tells.
pub(super) async fn make(database: &Database, commit: &Commit) -> Result<(), ReadModelError> {
    too_large(&commit.checkpoint)?;
    let prepared = Prepared::new(commit)?;
    let mut tries = 1;
    loop {
        let client = database.connection().await.map_err(failure::unavailable)?;
        let reason = match prepared.send(&client).await {
            Ok(()) => return Ok(()),
            Err(Failure::Tell(error)) => return Err(error),
            Err(Failure::TakenBack(reason)) => reason,
            Err(Failure::Lost(reason)) => {
                database.give_up(client);
                return prepared.settle(database, reason).await;
            }
        };
        if tries == TRIES {
            return Err(failure::unavailable(reason));
        }
        tries += 1;
        // Those that were in each other's way are not to meet again at once.
        let chance = f64::from(Uuid::new_v4().as_fields().0) / f64::from(u32::MAX);
        tokio::time::sleep(PAUSE.mul_f64(chance)).await;
    }
}

/// A commit that is fit to be sent.
struct Prepared<'a> {
    commit: &'a Commit,
    values: Vec<Vec<(bind::Bound<'a>, Type)>>,
    changes_tables: bool,
    /// Tells this commit from all others.
    token: Uuid,
    write: Write,
}

impl<'a> Prepared<'a> {
    fn new(commit: &'a Commit) -> Result<Self, ReadModelError> {
        let mut changes_tables = false;
        let mut values = Vec::with_capacity(commit.statements.len());
        for statement in &commit.statements {
            let known = guard::of_commit(statement)?;
            changes_tables |= known.changes_tables;
            values.push(bind::all(statement, &known.placeholders)?);
        }
        Ok(Self { commit, values, changes_tables, token: Uuid::new_v4(), write: Write::next() })
    }

    /// Sends all of it at once, its end included, so that the server never waits for this process in the middle: one that
    /// sleeps holds no lock.
    async fn send(&self, client: &Client) -> Result<(), Failure> {
        let Commit { key, epoch, after, checkpoint, statements } = self.commit;
        let (tenant, name, epoch) = (key.tenant.as_str(), key.name.as_str(), bound(epoch.0));
        let (after, position, state) =
            (bound(after.get()), bound(checkpoint.position.get()), &checkpoint.state[..]);
        let own = [
            (&tenant as _, Type::TEXT),
            (&name as _, Type::TEXT),
            (&epoch as _, Type::INT8),
            (&after as _, Type::INT8),
        ];
        let write = [
            (&tenant as _, Type::TEXT),
            (&name as _, Type::TEXT),
            (&position as _, Type::INT8),
            (&state as _, Type::BYTEA),
            (&self.token as _, Type::UUID),
            (&self.write.writer as _, Type::UUID),
            (&self.write.number as _, Type::INT8),
        ];
        let plain = |sql: &'static str| -> Sent<'_, ()> { Box::pin(client.batch_execute(sql)) };
        let mut sent = vec![plain(include_str!("../sql/begin_commit.sql"))];
        if self.changes_tables {
            sent.push(plain(include_str!("../sql/lock_shape.sql")));
        }
        sent.push(execute(client, include_str!("../sql/own_checkpoint.sql"), &own));
        let head = sent.len();
        for (statement, values) in statements.iter().zip(&self.values) {
            let values: Vec<_> =
                values.iter().map(|(value, kind)| (value as &(dyn ToSql + Sync), kind.clone())).collect();
            sent.push(Box::pin(async move { client.execute_typed(&statement.sql, &values).await.map(drop) }));
        }
        sent.push(execute(client, include_str!("../sql/write_checkpoint.sql"), &write));
        sent.push(plain("COMMIT"));
        let last = sent.len() - 1;
        let failed = flight::answers(sent)
            .await
            .into_iter()
            .enumerate()
            .find_map(|(at, answer)| Some((at, answer.err()?)));
        let Some((at, error)) = failed else { return Ok(()) };
        if let Some(refused) = self.refused(&error) {
            return Err(Failure::Tell(refused));
        }
        let statement = at.checked_sub(head).and_then(|at| statements.get(at));
        match failure::sort(statement.map_or("COMMIT", |statement| &statement.sql), false, &error) {
            // A session that was ended before the end of its transaction has done nothing of it.
            Failure::Lost(reason) if at < last && error.as_db_error().is_some() => {
                Err(Failure::Tell(failure::unavailable(reason)))
            }
            failure => Err(failure),
        }
    }

    /// What the comparison of epoch and position came to.
    fn refused(&self, error: &Error) -> Option<ReadModelError> {
        let said = error.as_db_error()?;
        let found = || said.detail().and_then(|detail| detail.parse().ok()).unwrap_or_default();
        let Commit { key, epoch: stale, after, .. } = self.commit;
        match said.code().code() {
            "GE001" => {
                Some(ReadModelError::Stale { key: key.clone(), stale: *stale, current: epoch(found()) })
            }
            "GE002" => {
                Some(ReadModelError::Moved { key: key.clone(), expected: *after, stands: position(found()) })
            }
            _ => None,
        }
    }

    /// Finds out on another connection whether the commit was made.
    async fn settle(&self, database: &Database, lost: String) -> Result<(), ReadModelError> {
        let (tenant, name) = (self.commit.key.tenant.as_str(), self.commit.key.name.as_str());
        let key = [(&tenant as _, Type::TEXT), (&name as _, Type::TEXT)];
        let token = [key[0].clone(), key[1].clone(), (&self.token as _, Type::UUID)];
        // The lock waits for the lost session, if that is still at it.
        let asked = [
            (include_str!("../sql/lock_lease.sql"), &key[..]),
            (include_str!("../sql/find_token.sql"), &token[..]),
        ];
        let unknown =
            |reason: String| format!("{lost}; whether the commit was made is not known yet: {reason}");
        let [_, made] = database.ask(asked).await.map_err(|reason| failure::unavailable(unknown(reason)))?;
        tracing::info!(key = %self.commit.key, made = !made.is_empty(), lost, "the answer to a commit was lost");
        if made.is_empty() { Err(failure::unavailable(lost)) } else { Ok(()) }
    }
}

fn execute<'a>(
    client: &'a Client,
    sql: &'a str,
    values: &'a [(&'a (dyn ToSql + Sync), Type)],
) -> Sent<'a, ()> {
    Box::pin(async move { client.execute_typed(sql, values).await.map(drop) })
}
