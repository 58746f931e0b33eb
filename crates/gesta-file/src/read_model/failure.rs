//! Sorts what SQLite says about foreign statements.

use gesta_core::read_model::ReadModelError;
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
        return ReadModelError::Missing { table: logical(name), statement: sql.to_owned() };
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
    ReadModelError::Refused { table: table(sql), reason: reason.to_owned(), statement: sql.to_owned() }
}

fn values(sql: &str, reason: String) -> ReadModelError {
    ReadModelError::Values { table: table(sql), reason, statement: sql.to_owned() }
}

/// The first table that a statement names.
fn table(sql: &str) -> String {
    let mut words =
        sql.split(|c: char| !(c.is_alphanumeric() || c == '_' || c == '.')).filter(|w| !w.is_empty());
    let names = ["into", "from", "update", "table", "on", "view"];
    while let Some(word) = words.next() {
        if names.iter().any(|before| before.eq_ignore_ascii_case(word)) {
            let fill = ["if", "not", "exists"];
            let name = words.find(|word| !fill.iter().any(|filler| filler.eq_ignore_ascii_case(word)));
            return name.map_or_else(|| "no table".into(), logical);
        }
    }
    "no table".into()
}

/// The name that queries use: without the database and without the number of a generation.
fn logical(name: &str) -> String {
    let name = name.strip_prefix("main.").unwrap_or(name);
    let generation = name.rsplit_once("__").filter(|(_, number)| number.bytes().all(|b| b.is_ascii_digit()));
    generation.map_or(name, |(logical, _)| logical).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_a_statement_is_found() {
        for (sql, found) in [
            ("INSERT INTO orders__2 (a) VALUES ($1)", "orders"),
            ("insert or replace into orders values ($1)", "orders"),
            ("UPDATE a_b SET x = $1", "a_b"),
            ("DELETE FROM a_b", "a_b"),
            ("CREATE TABLE IF NOT EXISTS a_b__17 (x)", "a_b"),
            ("SELECT 1", "no table"),
        ] {
            assert_eq!(table(sql), found, "{sql}");
        }
        assert_eq!(logical("main.order_read_model__12"), "order_read_model");
    }
}
