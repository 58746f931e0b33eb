//! Brings `state.db` to this release's shape, one numbered migration after the other, each in one transaction.

use std::path::Path;

use rusqlite::{Connection, TransactionBehavior, params};
use sha2::{Digest, Sha256};

use super::{StateError, connection::APPLICATION_ID};

/// In order; the number is the place, from 1. Never edited once released: add one.
const MIGRATIONS: [(&str, &str); 1] = [("state", include_str!("../migrations/0001_state.sql"))];

/// Applies what is missing, after making sure that the file is Gesta's and that what was applied is what is known.
pub(super) fn run(connection: &mut Connection, path: &Path) -> Result<(), StateError> {
    let sql = |error: rusqlite::Error| StateError::sql(path, &error);
    let known = MIGRATIONS.len() as u32;
    let applied = claim_file(connection, path)?;
    if applied > known {
        return Err(StateError::Newer { path: path.to_owned(), found: applied, known });
    }
    let sums = applied_sums(connection).map_err(sql)?;
    if sums.len() != applied as usize {
        let reason = format!("its shape is {applied} but it lists {} migrations", sums.len());
        return Err(StateError::Damaged { path: path.to_owned(), reason });
    }
    for (number, (name, text)) in (1u32..).zip(MIGRATIONS) {
        match sums.get(number as usize - 1) {
            Some(sum) if sum[..] == Sha256::digest(text)[..] => {}
            Some(_) => return Err(StateError::OtherMigration { path: path.to_owned(), number }),
            None => apply(connection, number, name, text).map_err(sql)?,
        }
    }
    Ok(())
}

/// The number of the latest migration of a file that is Gesta's, or becomes it because it is empty.
fn claim_file(connection: &mut Connection, path: &Path) -> Result<u32, StateError> {
    let sql = |error: rusqlite::Error| StateError::sql(path, &error);
    let application: i32 =
        connection.pragma_query_value(None, "application_id", |row| row.get(0)).map_err(sql)?;
    let tables: i64 =
        connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)).map_err(sql)?;
    if application != APPLICATION_ID {
        if application != 0 || tables != 0 {
            return Err(StateError::Foreign { path: path.to_owned() });
        }
        let transaction =
            connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(sql)?;
        transaction.execute(include_str!("../sql/create_migrations.sql"), []).map_err(sql)?;
        transaction.pragma_update(None, "application_id", APPLICATION_ID).map_err(sql)?;
        transaction.commit().map_err(sql)?;
    }
    connection.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(sql)
}

fn applied_sums(connection: &Connection) -> rusqlite::Result<Vec<Vec<u8>>> {
    let mut statement = connection.prepare(include_str!("../sql/list_migrations.sql"))?;
    statement.query_map([], |row| row.get(1))?.collect()
}

fn apply(connection: &mut Connection, number: u32, name: &str, text: &str) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    transaction.execute_batch(text)?;
    let sum = Sha256::digest(text).to_vec();
    transaction.execute(include_str!("../sql/save_migration.sql"), params![number, name, sum])?;
    // Last, and in the same transaction: a kill in between leaves the former shape.
    transaction.pragma_update(None, "user_version", number)?;
    transaction.commit()
}
