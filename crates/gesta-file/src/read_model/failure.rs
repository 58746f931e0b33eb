//! Sorts what SQLite says about foreign statements.

use gesta_core::read_model::{ReadModelError, first_table, logical_name};
use rusqlite::ErrorCode;

/// What a statement was at when it failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum At {
    Compiling,
    Running,
}

/// What a failure of a statement means to its caller. SQLite's words name tables and columns, never values.
pub(super) fn sort(sql: &str, at: At, error: &rusqlite::Error) -> ReadModelError {
    let (code, said) = match error {
        rusqlite::Error::SqliteFailure(failure, said) => (failure.code, said.clone()),
        rusqlite::Error::SqlInputError { error, msg, .. } => (error.code, Some(msg.clone())),
        // What rusqlite itself refuses: rows from a statement that writes, several statements in one text.
        other => return refused(sql, &other.to_string()),
    };
    let reason = said.unwrap_or_else(|| error.to_string());
    if let Some(name) = reason.strip_prefix("no such table: ") {
        return ReadModelError::Missing { table: logical_name(name), statement: sql.to_owned() };
    }
    match code {
        ErrorCode::ConstraintViolation | ErrorCode::TypeMismatch | ErrorCode::TooBig => values(sql, reason),
        ErrorCode::AuthorizationForStatementDenied => {
            refused(sql, "it reaches for what is Gesta's own, or for more than tables and views")
        }
        ErrorCode::OperationInterrupted => refused(sql, "it takes too long: add an index, or ask for less"),
        // SQLite has one code for what it cannot compile and what it cannot compute.
        ErrorCode::Unknown if at == At::Running => values(sql, reason),
        ErrorCode::Unknown | ErrorCode::ParameterOutOfRange | ErrorCode::ApiMisuse => refused(sql, &reason),
        _ => ReadModelError::Unavailable { reason },
    }
}

/// A statement that does not run, whatever the values.
pub(super) fn refused(sql: &str, reason: &str) -> ReadModelError {
    ReadModelError::Refused { table: first_table(sql), reason: reason.to_owned(), statement: sql.to_owned() }
}

fn values(sql: &str, reason: String) -> ReadModelError {
    ReadModelError::Values { table: first_table(sql), reason, statement: sql.to_owned() }
}
