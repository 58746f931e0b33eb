//! The tables of a projection.

use std::borrow::Cow;

use uuid::Uuid;

/// A table that a projection maintains.
///
/// `{name}` in its statements stands for the table of the generation at work. Keep to types that SQLite and PostgreSQL
/// share: `TEXT`, `BIGINT`, `DOUBLE PRECISION`, `BOOLEAN`. An index is named `{name}_…`, so that two generations do not
/// meet:
///
/// ```
/// let table = gesta::Table::new("orders_by_customer", "CREATE TABLE {orders_by_customer} (customer_id TEXT, order_id TEXT)")
///     .with("CREATE INDEX {orders_by_customer}_order ON {orders_by_customer} (order_id)");
/// assert_eq!(table.more.len(), 1);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// The name in queries: a lower-case letter, then lower-case letters, digits and single `_`, at most 48.
    pub name: Cow<'static, str>,
    /// The statement that makes it.
    pub create: Cow<'static, str>,
    /// Further statements: its indexes.
    pub more: Vec<Cow<'static, str>>,
}

impl Table {
    /// A table of this name, made by this statement.
    pub fn new(name: impl Into<Cow<'static, str>>, create: impl Into<Cow<'static, str>>) -> Self {
        Self { name: name.into(), create: create.into(), more: Vec::new() }
    }

    /// The same with one statement more, run once the table is made.
    pub fn with(mut self, statement: impl Into<Cow<'static, str>>) -> Self {
        self.more.push(statement.into());
        self
    }

    /// Why the name cannot be used; `None` if it can.
    pub(crate) fn objection(&self) -> Option<String> {
        let name = &*self.name;
        let legal = name.starts_with(|c: char| c.is_ascii_lowercase())
            && name.len() <= 48
            && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
        // Two underlines part the name from the number of its generation.
        let taken =
            name.contains("__") || ["gesta_", "sqlite_", "pg_"].iter().any(|own| name.starts_with(own));
        (!legal || taken).then(|| {
            format!(
                "illegal table name {name:?}: use 1 to 48 of a-z 0-9 and single _, begin with a letter, and not with gesta_, \
                 sqlite_ or pg_"
            )
        })
    }
}

/// The namespace of fingerprints; fixed for ever.
const NAMESPACE: Uuid = Uuid::from_u128(0x6765_7374_612e_7072_8f75_7000_0000_0003);

/// What tells one definition of a read model from another: its version and its tables.
pub(crate) fn fingerprint(version: u32, tables: &[Table]) -> Uuid {
    let mut text = format!("{version}");
    for table in tables {
        for part in [&table.name, &table.create].into_iter().chain(&table.more) {
            text.push('\0');
            text.extend(part.split_whitespace().flat_map(|word| [word, " "]));
        }
    }
    Uuid::new_v5(&NAMESPACE, text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_could_be_taken_for_something_else_are_refused() {
        for name in [
            "",
            "Orders",
            "1st",
            "a b",
            "orders__2",
            "gesta_orders",
            "sqlite_orders",
            "naïve",
            &"a".repeat(49),
        ] {
            assert!(Table::new(name.to_owned(), "").objection().is_some(), "{name}");
        }
        for name in ["orders", "order_read_model", "a1"] {
            assert_eq!(Table::new(name, "").objection(), None);
        }
    }

    #[test]
    fn a_fingerprint_tells_every_change_but_white_space() {
        let base = fingerprint(1, &[Table::new("a", "CREATE TABLE {a} (x TEXT)")]);
        assert_eq!(base, fingerprint(1, &[Table::new("a", "CREATE TABLE {a}\n  (x TEXT)")]));
        for other in [
            fingerprint(2, &[Table::new("a", "CREATE TABLE {a} (x TEXT)")]),
            fingerprint(1, &[Table::new("b", "CREATE TABLE {a} (x TEXT)")]),
            fingerprint(1, &[Table::new("a", "CREATE TABLE {a} (y TEXT)")]),
            fingerprint(
                1,
                &[Table::new("a", "CREATE TABLE {a} (x TEXT)").with("CREATE INDEX {a}_x ON {a} (x)")],
            ),
        ] {
            assert_ne!(base, other);
        }
    }
}
