//! Brings `state.db` to this release's shape, one numbered migration after the other, each in one transaction.

use std::path::Path;

use rusqlite::{Connection, TransactionBehavior, params};
use sha2::{Digest, Sha256};

use super::{StateError, connection::APPLICATION_ID};

/// In order; the number is the place, from 1. Never edited once released: add one.
const MIGRATIONS: [(&str, &str); 1] = [("state", include_str!("../migrations/0001_state.sql"))];

/// Applies what is missing, after making sure that the file is Gesta's and that what was applied is what is known.
pub(super) fn run(connection: &mut Connection, path: &Path) -> Result<(), StateError> {
    claim_file(connection, path)?;
    let applied = check(connection, path)?;
    for (number, (name, text)) in (1u32..).zip(MIGRATIONS).skip(applied as usize) {
        apply(connection, number, name, text).map_err(|error| StateError::sql(path, &error))?;
    }
    Ok(())
}

/// Makes sure that a file is Gesta's and that the migrations applied to it, so many, are those that are known.
pub(super) fn check(connection: &Connection, path: &Path) -> Result<u32, StateError> {
    let sql = |error: rusqlite::Error| StateError::sql(path, &error);
    if application(connection).map_err(sql)? != APPLICATION_ID {
        return Err(StateError::Foreign { path: path.to_owned() });
    }
    let known = MIGRATIONS.len() as u32;
    let applied: u32 = connection.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(sql)?;
    if applied > known {
        return Err(StateError::Newer { path: path.to_owned(), found: applied, known });
    }
    let sums = applied_sums(connection).map_err(sql)?;
    if sums.len() != applied as usize {
        let reason = format!("its shape is {applied} but it lists {} migrations", sums.len());
        return Err(StateError::Damaged { path: path.to_owned(), reason });
    }
    for ((number, sum), (_, text)) in (1u32..).zip(&sums).zip(MIGRATIONS) {
        if sum[..] != Sha256::digest(text)[..] {
            return Err(StateError::OtherMigration { path: path.to_owned(), number });
        }
    }
    Ok(applied)
}

/// Whose file it is, by the number in its header.
fn application(connection: &Connection) -> rusqlite::Result<i32> {
    connection.pragma_query_value(None, "application_id", |row| row.get(0))
}

/// Makes an empty file Gesta's.
fn claim_file(connection: &mut Connection, path: &Path) -> Result<(), StateError> {
    let mut claim = || -> rusqlite::Result<()> {
        let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
        if application(connection)? != 0 || tables != 0 {
            return Ok(());
        }
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        transaction.execute(include_str!("../sql/create_migrations.sql"), [])?;
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
        transaction.commit()
    };
    claim().map_err(|error| StateError::sql(path, &error))
}

/// The checksums of the migrations that were applied, in order.
fn applied_sums(connection: &Connection) -> rusqlite::Result<Vec<Vec<u8>>> {
    let mut statement = connection.prepare(include_str!("../sql/list_migrations.sql"))?;
    statement.query_map([], |row| row.get(1))?.collect()
}

/// Applies one migration and notes it, all in one transaction.
fn apply(connection: &mut Connection, number: u32, name: &str, text: &str) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    transaction.execute_batch(text)?;
    let sum = Sha256::digest(text).to_vec();
    transaction.execute(include_str!("../sql/save_migration.sql"), params![number, name, sum])?;
    // Last, and in the same transaction: a kill in between leaves the former shape.
    transaction.pragma_update(None, "user_version", number)?;
    transaction.commit()
}
