//! Bringing the schema up to date.

use refinery::{Migration, Runner, embed_migrations};
use tokio_postgres::{Client, error::SqlState};

use crate::{
    connect::Connector,
    error::{ConnectError, told},
};

embed_migrations!("migrations");

/// Remembers which migrations ran.
const HISTORY: &str = "gesta.schema_history";

/// What the lock of all who migrate a database is derived from.
const LOCK: i64 = 0x6765_7374_615f_6d69;

/// What a database is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    /// A log, with all that belongs to it.
    Log,
    /// Read models and the checkpoints of their projections, without a log.
    State,
}

impl Part {
    /// The migrations that make it, in order. Those of the state alone say so in their name.
    fn migrations(self) -> Vec<Migration> {
        let mut all = migrations::runner().get_migrations().clone();
        all.retain(|migration| self == Self::Log || migration.name().starts_with("state"));
        all.sort();
        all
    }

    /// The newest version that is known here.
    fn newest(self) -> i64 {
        self.migrations().last().map_or(0, Migration::version)
    }
}

/// The newest version of the schema of a log that is known here.
pub(crate) fn known() -> i64 {
    Part::Log.newest()
}

/// Makes the schema, or brings it to the newest version; several processes may do so at once. A newer one is refused.
pub(crate) async fn migrate(
    client: &mut Client,
    connector: &Connector,
    part: Part,
) -> Result<(), ConnectError> {
    if is_current(client, connector.place(), part).await? {
        return Ok(());
    }
    // The lock is a transaction's, on a connection of its own: a session's would be lost behind a pooler that hands
    // connections out by the transaction, and never let go.
    let (locked, driver) = connector.client().await?;
    let lock = format!(
        "BEGIN; SET LOCAL idle_in_transaction_session_timeout = 0; SELECT pg_advisory_xact_lock({LOCK})"
    );
    locked.batch_execute(&lock).await.map_err(|error| refused(part.newest(), &error))?;
    let migrated = run(client, connector.place(), part).await;
    let _ = locked.batch_execute("COMMIT").await;
    drop(locked);
    let _ = driver.await;
    migrated
}

async fn run(client: &mut Client, place: &str, part: Part) -> Result<(), ConnectError> {
    // Another process may have been faster.
    if is_current(client, place, part).await? {
        return Ok(());
    }
    let wanted = part.newest();
    let schema = client.batch_execute("CREATE SCHEMA IF NOT EXISTS gesta").await;
    schema.map_err(|error| refused(wanted, &error))?;
    let mut runner = Runner::new(&part.migrations()).set_grouped(true);
    runner.set_migration_table_name(HISTORY);
    let done = runner.run_async(client).await;
    done.map(drop).map_err(|error| ConnectError::Migration { wanted, reason: advised(error.to_string()) })
}

/// Migrations name their statements, which a pooler mixes up between those who share a connection.
fn advised(mut reason: String) -> String {
    if reason.contains("prepared statement") {
        reason.push_str("; connect once to the server itself, not through a pooler");
    }
    reason
}

fn refused(wanted: i64, error: &tokio_postgres::Error) -> ConnectError {
    let mut reason = advised(told(error));
    if error.code() == Some(&SqlState::INSUFFICIENT_PRIVILEGE) {
        reason.push_str("; connect once as a user who may create schemas in this database");
    }
    ConnectError::Migration { wanted, reason }
}

/// Whether nothing is left to do. A database that was made for read models alone does not become a log.
async fn is_current(client: &Client, place: &str, part: Part) -> Result<bool, ConnectError> {
    let asked = "SELECT array_agg(version::bigint ORDER BY version) FROM gesta.schema_history";
    let done: Vec<i64> = match client.query_typed(asked, &[]).await {
        Ok(rows) => rows.first().and_then(|row| row.get::<_, Option<_>>(0)).unwrap_or_default(),
        Err(error) => match error.code() {
            Some(&SqlState::UNDEFINED_TABLE | &SqlState::INVALID_SCHEMA_NAME) => Vec::new(),
            _ => return Err(ConnectError::of(place, &error)),
        },
    };
    if let Some(found) = done.last().copied().filter(|found| *found > known()) {
        return Err(ConnectError::NewerSchema { found, known: known() });
    }
    let wanted = part.migrations();
    if part == Part::Log
        && !done.is_empty()
        && wanted.first().is_some_and(|log| !done.contains(&log.version()))
    {
        let reason = "the database is for read models only; name another one for the log".into();
        return Err(ConnectError::Migration { wanted: part.newest(), reason });
    }
    Ok(wanted.iter().all(|migration| done.contains(&migration.version())))
}
