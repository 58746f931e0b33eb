//! What the database answers, as values.

use std::{error::Error, sync::Arc};

use gesta_core::read_model::{ReadModelError, Row, Value};
use tokio_postgres::types::{FromSql, Kind, Type};
use uuid::Uuid;

use super::numeric;

/// The rows of an answer.
pub(super) fn rows(found: &[tokio_postgres::Row]) -> Result<Vec<Row>, ReadModelError> {
    let Some(first) = found.first() else { return Ok(Vec::new()) };
    let columns: Arc<[String]> = first.columns().iter().map(|column| column.name().to_owned()).collect();
    found.iter().map(|row| Ok(Row::new(columns.clone(), values(row)?))).collect()
}

fn values(row: &tokio_postgres::Row) -> Result<Vec<Value>, ReadModelError> {
    let value = |at: usize| {
        row.try_get::<_, Sent>(at).map(|Sent(value)| value).map_err(|_| ReadModelError::Column {
            column: row.columns()[at].name().to_owned(),
            reason: format!(
                "values of the type {} cannot be read here: cast it to text",
                row.columns()[at].type_()
            ),
        })
    };
    (0..row.len()).map(value).collect()
}

/// A value of any type that can be read.
struct Sent(Value);

impl<'a> FromSql<'a> for Sent {
    fn from_sql(kind: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn Error + Sync + Send>> {
        value(kind, raw).map(Self)
    }

    fn from_sql_null(_: &Type) -> Result<Self, Box<dyn Error + Sync + Send>> {
        Ok(Self(Value::Null))
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

fn value(kind: &Type, raw: &[u8]) -> Result<Value, Box<dyn Error + Sync + Send>> {
    Ok(match *kind {
        Type::BOOL => Value::Bool(bool::from_sql(kind, raw)?),
        Type::INT2 => Value::Integer(i16::from_sql(kind, raw)?.into()),
        Type::INT4 => Value::Integer(i32::from_sql(kind, raw)?.into()),
        Type::INT8 => Value::Integer(i64::from_sql(kind, raw)?),
        Type::OID => Value::Integer(u32::from_sql(kind, raw)?.into()),
        Type::FLOAT4 => Value::Real(f32::from_sql(kind, raw)?.into()),
        Type::FLOAT8 => Value::Real(f64::from_sql(kind, raw)?),
        Type::NUMERIC => numeric::value(raw).ok_or("no number")?,
        Type::TEXT | Type::VARCHAR | Type::BPCHAR | Type::NAME | Type::UNKNOWN | Type::JSON | Type::XML => {
            Value::Text(std::str::from_utf8(raw)?.to_owned())
        }
        // A version comes first.
        Type::JSONB => Value::Text(std::str::from_utf8(raw.get(1..).unwrap_or_default())?.to_owned()),
        Type::BYTEA => Value::Bytes(raw.to_vec()),
        Type::UUID => Value::Text(Uuid::from_slice(raw)?.to_string()),
        Type::TIMESTAMPTZ => Value::Integer(jiff::Timestamp::from_sql(kind, raw)?.as_microsecond()),
        Type::TIMESTAMP => {
            let utc = jiff::civil::DateTime::from_sql(kind, raw)?.to_zoned(jiff::tz::TimeZone::UTC)?;
            Value::Integer(utc.timestamp().as_microsecond())
        }
        Type::DATE => Value::Text(jiff::civil::Date::from_sql(kind, raw)?.to_string()),
        ref other => match other.kind() {
            Kind::Enum(_) => Value::Text(std::str::from_utf8(raw)?.to_owned()),
            Kind::Domain(of) => value(of, raw)?,
            _ => return Err("of no type that can be read".into()),
        },
    })
}
