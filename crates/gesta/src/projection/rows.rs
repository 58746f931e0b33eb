//! What a projection wants to be written.

use gesta_core::read_model::{Statement, Value};

use super::{Projection, ProjectionError, Table};

/// Collects what a projection wants to be written, in order.
#[derive(Debug, Clone, PartialEq)]
pub struct Rows {
    tables: Tables,
    statements: Vec<Statement>,
    wrong: Option<ProjectionError>,
}

impl Rows {
    /// For a test without a database: tables keep the names that queries use.
    ///
    /// ```
    /// # use gesta::{Projection, ProjectionError, Rows, Table};
    /// # use gesta_core::*;
    /// # struct Seen;
    /// # impl Projection for Seen {
    /// #     fn name(&self) -> &str { "seen" }
    /// #     fn filter(&self) -> Filter { Filter::default() }
    /// #     fn tables(&self) -> Vec<Table> { vec![Table::new("seen", "CREATE TABLE {seen} (id TEXT)")] }
    /// #     fn project(&self, _: &RecordedEvent, _: &mut Rows) -> Result<(), ProjectionError> { Ok(()) }
    /// # }
    /// let mut rows = Rows::of(&Seen);
    /// rows.execute("INSERT INTO {seen} VALUES ($1)", values!["a"]);
    /// assert_eq!(rows.statements()[0].sql, "INSERT INTO seen VALUES ($1)");
    /// ```
    pub fn of(projection: &(impl Projection + ?Sized)) -> Self {
        Self::new(Tables::plain(&projection.tables()))
    }

    pub(crate) fn new(tables: Tables) -> Self {
        Self { tables, statements: Vec::new(), wrong: None }
    }

    /// Runs a statement when the batch is committed. `{name}` stands for a table, `$1`, `$2` … for the values.
    pub fn execute(&mut self, sql: &str, values: impl IntoIterator<Item = Value>) {
        match self.tables.fill(sql) {
            Ok(sql) => self.statements.push(Statement::new(sql, values)),
            Err(error) => self.wrong = self.wrong.take().or(Some(error)),
        }
    }

    /// What was asked for so far.
    pub fn statements(&self) -> &[Statement] {
        &self.statements
    }

    pub(crate) fn into_statements(self) -> Vec<Statement> {
        self.statements
    }

    /// What is wrong with a statement of the last event.
    pub(crate) fn take_wrong(&mut self) -> Option<ProjectionError> {
        self.wrong.take()
    }
}

/// What the tables of a projection are called in the database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tables(Vec<(String, String)>);

impl Tables {
    /// As in queries.
    pub(crate) fn plain(tables: &[Table]) -> Self {
        Self(tables.iter().map(|table| (table.name.to_string(), table.name.to_string())).collect())
    }

    /// Those of a generation.
    pub(crate) fn of_generation(tables: &[Table], generation: u64) -> Self {
        let named = |table: &Table| (table.name.to_string(), physical(&table.name, generation));
        Self(tables.iter().map(named).collect())
    }

    /// The text with the names of the tables in place of `{name}`. Other braces stay.
    pub(crate) fn fill(&self, text: &str) -> Result<String, ProjectionError> {
        let mut filled = String::with_capacity(text.len() + 16);
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            filled.push_str(before);
            let Some((name, behind)) = after.split_once('}').filter(|(name, _)| is_name(name)) else {
                filled.push('{');
                rest = after;
                continue;
            };
            let table = self.0.iter().find(|(logical, _)| logical == name).map(|(_, physical)| physical);
            filled.push_str(table.ok_or_else(|| {
                ProjectionError::new(format_args!(
                    "no table {name} is declared: add it to the projection's tables"
                ))
            })?);
            rest = behind;
        }
        filled.push_str(rest);
        Ok(filled)
    }
}

/// The name of a table's generation in the database.
pub(crate) fn physical(table: &str, generation: u64) -> String {
    format!("{table}__{generation}")
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_filled_in_and_other_braces_stay() {
        let tables = Tables::of_generation(&[Table::new("a", ""), Table::new("b_c", "")], 7);
        let filled = |text: &str| tables.fill(text).map_err(|error| error.to_string());
        assert_eq!(
            filled("INSERT INTO {a} SELECT '{}', '{\"x\":1}' FROM {b_c}_i").as_deref(),
            Ok("INSERT INTO a__7 SELECT '{}', '{\"x\":1}' FROM b_c__7_i")
        );
        assert!(filled("DELETE FROM {other}").is_err_and(|said| said.contains("other")));
    }
}
