//! One row of whatever is imported.

use serde_json::value::RawValue;

/// One row: its place in the file, and its columns by name in the file's order.
#[derive(Debug)]
pub(crate) struct Row {
    /// The line it begins on, from 1.
    pub(crate) line: u64,
    /// Where in the file it ends, in bytes: for the progress shown.
    pub(crate) end: u64,
    /// Its columns; an absent one has no entry.
    pub(crate) columns: Vec<Column>,
}

/// One value of a row.
#[derive(Debug)]
pub(crate) struct Column {
    /// Its name.
    pub(crate) name: String,
    /// What stands in the file: what templates see.
    pub(crate) text: String,
    /// What it is as JSON: what goes into the event.
    pub(crate) json: Box<RawValue>,
}

impl Row {
    /// The text of a column; `None` when it has no value.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.columns.iter().find(|column| column.name == name).map(|column| column.text.as_str())
    }
}

/// A row that cannot become an event, and why.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub(crate) struct Refused {
    /// The line it begins on.
    pub(crate) line: u64,
    /// What is wrong with it.
    pub(crate) reason: String,
}

impl Refused {
    pub(crate) fn new(line: u64, reason: impl std::fmt::Display) -> Self {
        Self { line, reason: reason.to_string() }
    }
}
