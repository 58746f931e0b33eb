//! What a query answers with.

use std::sync::Arc;

use uuid::Uuid;

use super::{ReadModelError, Value};
use crate::{Position, Timestamp, Version};

/// One row of an answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    columns: Arc<[String]>,
    values: Vec<Value>,
}

impl Row {
    /// A row of as many values as there are columns.
    pub fn new(columns: Arc<[String]>, values: Vec<Value>) -> Self {
        Self { columns, values }
    }

    /// The names of the columns, in the order of the query.
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// The values, in the same order.
    pub fn values(&self) -> &[Value] {
        &self.values
    }

    /// What stands in a column. Fails when there is none of that name, or when it holds something else.
    ///
    /// ```
    /// use gesta_core::{read_model::Row, values};
    /// let row = Row::new(["status".to_owned(), "signature".to_owned()].into(), values!["Shipped", None::<String>]);
    /// assert_eq!(row.get::<String>("status")?, "Shipped");
    /// assert_eq!(row.get::<Option<String>>("signature")?, None);
    /// assert!(row.get::<i64>("status").is_err());
    /// # Ok::<(), gesta_core::read_model::ReadModelError>(())
    /// ```
    pub fn get<T: FromValue>(&self, column: &str) -> Result<T, ReadModelError> {
        let found = self.columns.iter().position(|name| name == column).and_then(|at| self.values.get(at));
        let unreadable = |reason: String| ReadModelError::Column { column: column.to_owned(), reason };
        let value = found.ok_or_else(|| unreadable("the query does not select it".into()))?;
        T::from_value(value).ok_or_else(|| unreadable(format!("it holds {}", kind(value))))
    }
}

/// The kind of a value, and never the value itself.
fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing: read it as an Option",
        Value::Bool(_) => "a boolean",
        Value::Integer(_) => "a whole number",
        Value::Real(_) => "a number with a fraction",
        Value::Text(_) => "text",
        Value::Bytes(_) => "bytes",
    }
}

/// What can be read out of a column.
pub trait FromValue: Sized {
    /// The value; `None` if the column holds something else.
    fn from_value(value: &Value) -> Option<Self>;
}

impl<T: FromValue> FromValue for Option<T> {
    fn from_value(value: &Value) -> Option<Self> {
        match value {
            Value::Null => Some(None),
            value => T::from_value(value).map(Some),
        }
    }
}

impl FromValue for bool {
    fn from_value(value: &Value) -> Option<Self> {
        match value {
            Value::Bool(value) => Some(*value),
            Value::Integer(value @ (0 | 1)) => Some(*value == 1),
            _ => None,
        }
    }
}

impl FromValue for f64 {
    fn from_value(value: &Value) -> Option<Self> {
        match value {
            Value::Real(value) => Some(*value),
            Value::Integer(value) => Some(*value as Self),
            _ => None,
        }
    }
}

macro_rules! from_value {
    ($($kind:ident as $to:ty, $value:ident => $read:expr;)*) => {$(
        impl FromValue for $to {
            fn from_value(value: &Value) -> Option<Self> {
                let Value::$kind($value) = value else { return None };
                $read
            }
        }
    )*};
}

from_value! {
    Integer as i64, value => Some(*value);
    Integer as i32, value => (*value).try_into().ok();
    Integer as u32, value => (*value).try_into().ok();
    Integer as u64, value => (*value).try_into().ok();
    Integer as Timestamp, value => Some(Timestamp::from_micros(*value));
    Integer as Position, value => (*value).try_into().ok().map(Position::new);
    Integer as Version, value => (*value).try_into().ok().map(Version::new);
    Text as String, value => Some(value.clone());
    Text as Uuid, value => value.parse().ok();
    Bytes as Vec<u8>, value => Some(value.clone());
}
