//! Sorts what PostgreSQL says about foreign statements.

use gesta_core::read_model::{ReadModelError, first_table, logical_name};
use tokio_postgres::{Error, error::DbError};

use crate::error::{Sort, judge};

/// What a failure of a statement means.
#[derive(Debug)]
pub(super) enum Failure {
    /// The caller is to know.
    Tell(ReadModelError),
    /// The database took all of it back, for the sake of another transaction.
    TakenBack(String),
    /// The connection is gone, and with it the answer.
    Lost(String),
}

/// What a failure means to the caller of a statement. PostgreSQL's words name tables and columns; where they may repeat a
/// value it is taken out.
pub(super) fn sort(sql: &str, is_query: bool, error: &Error) -> Failure {
    let Some(said) = error.as_db_error() else { return Failure::Lost(judge(error).1) };
    let (code, reason) = (said.code().code(), said.message().to_owned());
    let told = match code {
        "40001" | "40P01" => return Failure::TakenBack(reason),
        // It was waited for; whoever asks comes again later, and lets queries through meanwhile.
        "55P03" => ReadModelError::Unavailable {
            reason: format!("{reason}: another session looks at the read model"),
        },
        "42P01" => missing(sql, said),
        "42501" => {
            ReadModelError::Unavailable { reason: format!("{reason}: grant it to the user of the store") }
        }
        "57014" if is_query => refused(sql, "it takes too long: add an index, or ask for less".into()),
        "25006" if is_query => refused(sql, "a query only reads".into()),
        // A datum of the wrong kind is that event's matter.
        "42804" => values(sql, reason),
        code if ["21", "22", "23", "54", "P0"].iter().any(|class| code.starts_with(class)) => {
            values(sql, without_values(code, &reason))
        }
        // 25P03 ends the session of one that was asleep.
        code if ["0A", "25", "26", "2B", "34", "3D", "3F", "42", "44"]
            .iter()
            .any(|class| code.starts_with(class))
            && code != "25P03"
            || code == "08P01" =>
        {
            refused(sql, reason)
        }
        _ => match judge(error) {
            (Sort::Lost, reason) => return Failure::Lost(reason),
            (_, reason) => ReadModelError::Unavailable { reason },
        },
    };
    Failure::Tell(told)
}

fn missing(sql: &str, said: &DbError) -> ReadModelError {
    // The name stands between quotes; which ones depends on the server's language.
    let named = said.message().split('"').nth(1).map_or_else(|| first_table(sql), logical_name);
    ReadModelError::Missing { table: named, statement: sql.to_owned() }
}

/// What cannot be converted is repeated in quotes; names of constraints and columns stay.
fn without_values(code: &str, reason: &str) -> String {
    if code.starts_with("23") || code.starts_with("54") {
        return reason.to_owned();
    }
    reason.split('"').enumerate().map(|(at, part)| if at % 2 == 0 { part } else { "…" }).collect()
}

/// A statement that does not run, whatever the values.
pub(super) fn refused(sql: &str, reason: String) -> ReadModelError {
    ReadModelError::Refused { table: first_table(sql), reason, statement: sql.to_owned() }
}

/// One that does not run with these values.
pub(super) fn values(sql: &str, reason: String) -> ReadModelError {
    ReadModelError::Values { table: first_table(sql), reason, statement: sql.to_owned() }
}

/// The database cannot be used now.
pub(super) fn unavailable(reason: String) -> ReadModelError {
    ReadModelError::Unavailable { reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_taken_out_and_names_stay() {
        assert_eq!(
            without_values("22P02", "invalid input syntax for type uuid: \"ada@example.org\""),
            "invalid input syntax for type uuid: …"
        );
        let constraint = "duplicate key value violates unique constraint \"a_pkey\"";
        assert_eq!(without_values("23505", constraint), constraint);
    }
}
