//! Why rows could not be written or read.

use crate::{CheckpointError, CheckpointKey, Epoch, Position};

/// Why rows could not be written or read. It names tables and statements, never values.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum ReadModelError {
    /// A later owner has taken over: stop and claim again.
    #[error("{key} was taken over: epoch {} is stale, {} is current", stale.0, current.0)]
    Stale {
        /// Which checkpoint.
        key: CheckpointKey,
        /// The epoch that was used.
        stale: Epoch,
        /// The one that counts.
        current: Epoch,
    },
    /// The checkpoint stands elsewhere: the commit was made before, or another one was.
    #[error("{key} stands at {stands} and not at {expected}")]
    Moved {
        /// Which checkpoint.
        key: CheckpointKey,
        /// Where the caller thought it stood.
        expected: Position,
        /// Where it stands.
        stands: Position,
    },
    /// A table is not there.
    #[error("there is no table {table}: rebuild the projection that maintains it ({statement})")]
    Missing {
        /// Which table.
        table: String,
        /// The statement that needs it.
        statement: String,
    },
    /// The database does not run the statement, whatever the values: correct the projection or the query.
    #[error("the database refuses a statement on {table}: {reason} ({statement})")]
    Refused {
        /// The first table it names.
        table: String,
        /// What the database says.
        reason: String,
        /// The statement.
        statement: String,
    },
    /// The statement runs, but not with these values: a constraint, a type, a value too large.
    #[error("the database does not take these values into {table}: {reason} ({statement})")]
    Values {
        /// The first table the statement names.
        table: String,
        /// What the database says.
        reason: String,
        /// The statement.
        statement: String,
    },
    /// A query found more rows than one answer may hold.
    #[error("the query finds more than {most} rows: ask for a page of them ({statement})")]
    TooMany {
        /// So many at most.
        most: usize,
        /// The query.
        statement: String,
    },
    /// A column cannot be read as asked.
    #[error("the column {column} cannot be read: {reason}")]
    Column {
        /// Which column.
        column: String,
        /// Why.
        reason: String,
    },
    /// The database cannot be used now: try again.
    #[error("read models cannot be used now: {reason}")]
    Unavailable {
        /// Why, and what to do.
        reason: String,
    },
}

impl From<CheckpointError> for ReadModelError {
    fn from(error: CheckpointError) -> Self {
        match error {
            CheckpointError::Stale { key, stale, current } => Self::Stale { key, stale, current },
            other => Self::Unavailable { reason: other.to_string() },
        }
    }
}
