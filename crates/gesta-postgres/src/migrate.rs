//! Bringing the schema up to date.

use refinery::embed_migrations;
use tokio_postgres::{Client, error::SqlState};

use crate::error::{ConnectError, told};

embed_migrations!("migrations");

/// Remembers which migrations ran.
const HISTORY: &str = "gesta.schema_history";

/// What the lock of all who migrate a database is derived from.
const LOCK: i64 = 0x6765_7374_615f_6d69;

/// The newest version of the schema that is known here.
pub(crate) fn known() -> i64 {
    migrations::runner().get_migrations().iter().map(|migration| migration.version()).max().unwrap_or(0)
}

/// Makes the schema, or brings it to the newest version; several processes may do so at once. A newer one is refused.
pub(crate) async fn migrate(client: &mut Client, place: &str) -> Result<(), ConnectError> {
    let wanted = known();
    if is_current(client, place, wanted).await? {
        return Ok(());
    }
    let failed = |error: &tokio_postgres::Error| refused(wanted, error);
    client.execute("SELECT pg_advisory_lock($1)", &[&LOCK]).await.map_err(|error| failed(&error))?;
    let migrated = run(client, place, wanted).await;
    client.execute("SELECT pg_advisory_unlock($1)", &[&LOCK]).await.map_err(|error| failed(&error))?;
    migrated
}

async fn run(client: &mut Client, place: &str, wanted: i64) -> Result<(), ConnectError> {
    // Another process may have been faster.
    if is_current(client, place, wanted).await? {
        return Ok(());
    }
    let schema = client.batch_execute("CREATE SCHEMA IF NOT EXISTS gesta").await;
    schema.map_err(|error| refused(wanted, &error))?;
    let mut runner = migrations::runner().set_grouped(true);
    runner.set_migration_table_name(HISTORY);
    let done = runner.run_async(client).await;
    done.map(drop).map_err(|error| ConnectError::Migration { wanted, reason: error.to_string() })
}

fn refused(wanted: i64, error: &tokio_postgres::Error) -> ConnectError {
    let mut reason = told(error);
    if error.code() == Some(&SqlState::INSUFFICIENT_PRIVILEGE) {
        reason.push_str("; connect once as a user who may create schemas in this database");
    }
    ConnectError::Migration { wanted, reason }
}

async fn is_current(client: &Client, place: &str, wanted: i64) -> Result<bool, ConnectError> {
    let found = client.query_one("SELECT max(version)::bigint FROM gesta.schema_history", &[]).await;
    let found: Option<i64> = match found {
        Ok(row) => row.get(0),
        Err(error) => match error.code() {
            Some(&SqlState::UNDEFINED_TABLE | &SqlState::INVALID_SCHEMA_NAME) => None,
            _ => return Err(ConnectError::of(place, &error)),
        },
    };
    match found {
        Some(found) if found > wanted => Err(ConnectError::NewerSchema { found, known: wanted }),
        found => Ok(found == Some(wanted)),
    }
}
