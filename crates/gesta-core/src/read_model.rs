//! Read models: rows that commit together with the checkpoint of the projection that writes them.
//!
//! The port is plain SQL with plain values, so that one projection runs on every backend with transactions. It is no
//! mapper and no query builder, and it promises nothing about a dialect: keep to what SQLite and PostgreSQL share.

use std::borrow::Cow;

use async_trait::async_trait;

use crate::{Checkpoint, CheckpointKey, CheckpointStore, Epoch, Position};

mod error;
mod named;
mod row;
mod value;

pub use error::ReadModelError;
pub use named::{first_table, logical_name};
pub use row::{FromValue, Row};
pub use value::Value;

/// Most rows that one query answers with; more are refused, never cut in silence.
pub const MOST_ROWS: usize = 10_000;

/// A place where rows and checkpoints live in one database.
///
/// Laws, each with a test in `gesta-conformance`: rows and checkpoint commit together · a stale epoch changes nothing ·
/// a statement that fails leaves nothing of its commit · a commit that was made is not made again · queries answered
/// together see one state · a query changes nothing · the tables of Gesta itself are out of reach.
///
/// The in-memory backend has none; `gesta_file::read_models_in_memory` serves tests.
#[async_trait]
pub trait ReadModelStore: CheckpointStore {
    /// Runs the statements, saves the checkpoint and compares the owner's epoch, all in one transaction.
    ///
    /// [`ReadModelError::Moved`] tells that the checkpoint does not stand where the caller thought: after an answer that
    /// was lost it stands where the commit would have brought it, and the commit is done.
    async fn commit(&self, commit: Commit) -> Result<(), ReadModelError>;

    /// Answers several queries from one state of the database. More than [`MOST_ROWS`] rows of one are refused.
    async fn query_together(&self, statements: Vec<Statement>) -> Result<Vec<Vec<Row>>, ReadModelError>;

    /// Answers one query. More than [`MOST_ROWS`] rows are refused.
    async fn query(&self, statement: Statement) -> Result<Vec<Row>, ReadModelError> {
        Ok(self.query_together(vec![statement]).await?.pop().unwrap_or_default())
    }
}

/// What an owner of a checkpoint wants to happen at once, or not at all.
#[derive(Debug, Clone, PartialEq)]
pub struct Commit {
    /// Whose checkpoint.
    pub key: CheckpointKey,
    /// The owner's epoch: a later one makes the commit fail for good.
    pub epoch: Epoch,
    /// Where the checkpoint stands before.
    pub after: Position,
    /// Where it stands afterwards.
    pub checkpoint: Checkpoint,
    /// What is written, in this order.
    pub statements: Vec<Statement>,
}

/// One SQL statement and the values of its placeholders `$1`, `$2` …
///
/// ```
/// use gesta_core::{read_model::Statement, values};
/// let statement = Statement::new("UPDATE orders SET status = $1 WHERE order_id = $2", values!["Shipped", "o-1"]);
/// assert_eq!(statement.values.len(), 2);
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Statement {
    /// The text; values are never part of it.
    pub sql: Cow<'static, str>,
    /// The value of `$1` first.
    pub values: Vec<Value>,
}

impl Statement {
    /// A statement with its values; the macro [`values!`](crate::values) writes them briefly.
    pub fn new(sql: impl Into<Cow<'static, str>>, values: impl IntoIterator<Item = Value>) -> Self {
        Self { sql: sql.into(), values: values.into_iter().collect() }
    }
}

impl From<&'static str> for Statement {
    fn from(sql: &'static str) -> Self {
        Self::new(sql, [])
    }
}

impl From<String> for Statement {
    fn from(sql: String) -> Self {
        Self::new(sql, [])
    }
}
