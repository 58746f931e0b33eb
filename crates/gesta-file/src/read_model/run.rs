//! Runs foreign statements that write.

use gesta_core::read_model::{ReadModelError, Statement, Value};
use rusqlite::{Connection, types::Null};

use super::failure::{self, At};
use crate::state::Guard;

/// Runs the statements in order; the first that fails ends it. Each text is compiled once.
pub(super) fn all(
    connection: &Connection,
    guard: &Guard,
    statements: &[Statement],
) -> Result<(), ReadModelError> {
    let _foreign = guard.enter();
    for same in statements.chunk_by(|one, other| one.sql == other.sql) {
        let sql = &*same[0].sql;
        let mut prepared =
            connection.prepare_cached(sql).map_err(|error| failure::sort(sql, At::Compiling, &error))?;
        let places = places(&prepared, sql)?;
        for statement in same {
            bind(&mut prepared, sql, &places, &statement.values)?;
            prepared.raw_execute().map_err(|error| failure::sort(sql, At::Running, &error))?;
        }
    }
    Ok(())
}

/// Which value each of SQLite's parameters stands for: it numbers `$2 … $1` in the order of the text.
pub(super) fn places(prepared: &rusqlite::Statement<'_>, sql: &str) -> Result<Vec<usize>, ReadModelError> {
    let place = |index: usize| {
        let number = prepared.parameter_name(index).and_then(|name| name.strip_prefix('$'));
        let number = number.and_then(|digits| digits.parse::<usize>().ok()).filter(|number| *number > 0);
        number.ok_or_else(|| failure::refused(sql, "placeholders are written $1, $2, …"))
    };
    (1..=prepared.parameter_count()).map(place).collect()
}

/// Puts the values in their places.
pub(super) fn bind(
    prepared: &mut rusqlite::Statement<'_>,
    sql: &str,
    places: &[usize],
    values: &[Value],
) -> Result<(), ReadModelError> {
    for (index, number) in (1..).zip(places) {
        let value = values.get(number - 1).ok_or_else(|| {
            let reason = format!("it has a placeholder ${number}, but {} values were given", values.len());
            failure::refused(sql, &reason)
        })?;
        let bound = match value {
            Value::Null => prepared.raw_bind_parameter(index, Null),
            Value::Bool(value) => prepared.raw_bind_parameter(index, value),
            Value::Integer(value) => prepared.raw_bind_parameter(index, value),
            Value::Real(value) => prepared.raw_bind_parameter(index, value),
            Value::Text(value) => prepared.raw_bind_parameter(index, value),
            Value::Bytes(value) => prepared.raw_bind_parameter(index, value),
        };
        bound.map_err(|error| failure::sort(sql, At::Running, &error))?;
    }
    Ok(())
}
