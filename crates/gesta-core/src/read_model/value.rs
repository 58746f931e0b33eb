//! What stands in a column.

use uuid::Uuid;

use crate::{Position, Timestamp, Version};

/// What stands in a column, or for a placeholder. SQLite keeps a `Bool` as 0 or 1.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Nothing.
    Null,
    /// True or false.
    Bool(bool),
    /// A whole number.
    Integer(i64),
    /// A number with a fraction.
    Real(f64),
    /// Text.
    Text(String),
    /// Bytes.
    Bytes(Vec<u8>),
}

/// The values of a statement, each from anything a [`Value`](crate::read_model::Value) can be made of.
///
/// ```
/// use gesta_core::{read_model::Value, values};
/// assert_eq!(values!["o-1", 7, None::<String>], [Value::Text("o-1".into()), Value::Integer(7), Value::Null]);
/// ```
#[macro_export]
macro_rules! values {
    ($($value:expr),* $(,)?) => {
        ::std::vec![$($crate::read_model::Value::from($value)),*]
    };
}

macro_rules! from {
    ($($from:ty, $value:ident => $to:expr;)*) => {$(
        impl From<$from> for Value {
            fn from($value: $from) -> Self {
                $to
            }
        }
    )*};
}

from! {
    bool, value => Self::Bool(value);
    i32, value => Self::Integer(value.into());
    i64, value => Self::Integer(value);
    u32, value => Self::Integer(value.into());
    f64, value => Self::Real(value);
    &str, value => Self::Text(value.into());
    &String, value => Self::Text(value.clone());
    String, value => Self::Text(value);
    Vec<u8>, value => Self::Bytes(value);
    Uuid, value => Self::Text(value.to_string());
    // Microseconds, so that they sort and compare.
    Timestamp, value => Self::Integer(value.as_micros());
    Position, value => Self::Integer(value.get().cast_signed());
    Version, value => Self::Integer(value.get().cast_signed());
}

impl<T: Into<Self>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}
