//! Answers foreign queries.

use std::{sync::Arc, time::Duration};

use gesta_core::read_model::{MOST_ROWS, ReadModelError, Row, Statement, Value};
use rusqlite::{Connection, types::ValueRef};

use super::{
    failure::{self, At},
    run,
};
use crate::state::{Failed, Guard};

/// So long queries that are answered together may take; few connections answer all.
pub(super) const LONGEST: Duration = Duration::from_secs(10);

/// Answers all of them from one state of the database, within a time.
pub(super) fn all(
    connection: &Connection,
    guard: &Guard,
    statements: &[Statement],
    longest: Duration,
) -> Result<Vec<Vec<Row>>, Failed<ReadModelError>> {
    let snapshot = connection.unchecked_transaction()?;
    let answers = {
        let _foreign = guard.enter_for(longest);
        statements.iter().map(|statement| one(&snapshot, statement)).collect::<Result<_, _>>()
    };
    snapshot.finish()?;
    answers.map_err(Failed::Refused)
}

fn one(connection: &Connection, statement: &Statement) -> Result<Vec<Row>, ReadModelError> {
    let sql = &*statement.sql;
    let compiling = |error| failure::sort(sql, At::Compiling, &error);
    let running = |error| failure::sort(sql, At::Running, &error);
    let mut prepared = connection.prepare_cached(sql).map_err(compiling)?;
    if !prepared.readonly() || prepared.column_count() == 0 {
        return Err(failure::refused(sql, "a query only reads"));
    }
    let places = run::places(&prepared, sql)?;
    run::bind(&mut prepared, sql, &places, &statement.values)?;
    let columns: Arc<[String]> = prepared.column_names().map(str::to_owned).collect();
    let mut found = prepared.raw_query();
    let mut rows = Vec::new();
    while let Some(row) = found.next().map_err(running)? {
        if rows.len() == MOST_ROWS {
            return Err(ReadModelError::TooMany { most: MOST_ROWS, statement: sql.to_owned() });
        }
        let read = (0..columns.len()).map(|at| row.get_ref(at).map(value));
        rows.push(Row::new(columns.clone(), read.collect::<rusqlite::Result<_>>().map_err(running)?));
    }
    Ok(rows)
}

fn value(found: ValueRef<'_>) -> Value {
    match found {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(value) => Value::Integer(value),
        ValueRef::Real(value) => Value::Real(value),
        ValueRef::Text(text) => Value::Text(String::from_utf8_lossy(text).into_owned()),
        ValueRef::Blob(bytes) => Value::Bytes(bytes.to_vec()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_without_an_end_is_ended() {
        let (mut connection, guard) = (Connection::open_in_memory().expect("opens"), Guard::default());
        guard.watch(&mut connection).expect("watches");
        let endless =
            "WITH RECURSIVE n (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT count(*) FROM n";
        let ask = |sql: &'static str| all(&connection, &guard, &[sql.into()], Duration::from_millis(20));
        let Err(Failed::Refused(error)) = ask(endless) else { panic!("it has no end") };
        assert!(error.to_string().contains("takes too long"), "{error}");
        assert_eq!(ask("SELECT 1").expect("the next one is answered").len(), 1);
    }
}
