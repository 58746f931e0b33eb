//! Values on their way to the database.

use std::{collections::BTreeSet, error::Error};

use bytes::BytesMut;
use gesta_core::read_model::{ReadModelError, Statement, Value};
use tokio_postgres::types::{Format, IsNull, ToSql, Type, to_sql_checked};

use super::failure;

/// A value in the place of a placeholder.
#[derive(Debug)]
pub(super) struct Bound<'a>(&'a Value);

impl ToSql for Bound<'_> {
    fn to_sql(&self, kind: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        match self.0 {
            Value::Null => Ok(IsNull::Yes),
            Value::Bool(value) => value.to_sql(kind, out),
            Value::Integer(value) => value.to_sql(kind, out),
            Value::Real(value) => value.to_sql(kind, out),
            Value::Text(value) => value.to_sql(kind, out),
            Value::Bytes(value) => value.to_sql(kind, out),
        }
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    fn encode_format(&self, _: &Type) -> Format {
        Format::Binary
    }

    to_sql_checked!();
}

/// The values of a statement with their types, of which a statement that is not prepared needs one for each. What is
/// nothing takes the type of its place.
pub(super) fn all<'a>(
    statement: &'a Statement,
    used: &BTreeSet<usize>,
) -> Result<Vec<(Bound<'a>, Type)>, ReadModelError> {
    let given = statement.values.len();
    if let Some(number) = used.last().filter(|number| **number > given) {
        let reason = format!("it has a placeholder ${number}, but {given} values were given");
        return Err(failure::refused(&statement.sql, reason));
    }
    let bound = |(number, value): (usize, &'a Value)| {
        let kind = match value {
            // Nothing would tell the type of one that stands nowhere.
            Value::Null if !used.contains(&number) => Type::TEXT,
            Value::Null => Type::UNKNOWN,
            Value::Bool(_) => Type::BOOL,
            Value::Integer(_) => Type::INT8,
            Value::Real(_) => Type::FLOAT8,
            Value::Text(text) if text.contains('\0') => {
                let reason = format!(
                    "the text for ${number} holds the character \\u0000, which PostgreSQL cannot keep"
                );
                return Err(failure::values(&statement.sql, reason));
            }
            Value::Text(_) => Type::TEXT,
            Value::Bytes(_) => Type::BYTEA,
        };
        Ok((Bound(value), kind))
    };
    (1..).zip(&statement.values).map(bound).collect()
}
