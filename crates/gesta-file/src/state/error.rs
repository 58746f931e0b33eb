//! Why `state.db` cannot be used.

use std::path::{Path, PathBuf};

use gesta_core::Incarnation;
use rusqlite::ErrorCode;

/// Why `state.db` cannot be used. None of it hurts the log.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum StateError {
    /// The SQLite this program is linked with may corrupt a database in WAL mode.
    #[error("SQLite {found} is too old, 3.51.3 is needed: build with the bundled one")]
    OldSqlite {
        /// Its version.
        found: String,
    },
    /// The file is no database, is damaged, or lacks what this release has made in it.
    #[error(
        "{path} is damaged: {reason}; put it back from a backup or move it away: the log is not hurt, processors \
         begin at their start again"
    )]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The file is another program's database.
    #[error("{path} is not Gesta's: move it away or name another data folder")]
    Foreign {
        /// Which file.
        path: PathBuf,
    },
    /// A newer release has written the file.
    #[error("{path} has shape {found}, this release knows {known}: use a newer release")]
    Newer {
        /// Which file.
        path: PathBuf,
        /// The number of its latest migration.
        found: u32,
        /// The number of the latest migration this release knows.
        known: u32,
    },
    /// A migration that was applied differs from the one of this release.
    #[error("{path} was made with another migration {number}: use the release that made it")]
    OtherMigration {
        /// Which file.
        path: PathBuf,
        /// Which migration.
        number: u32,
    },
    /// The file belongs to another life of the log, so its positions mean other events.
    #[error(
        "{path} belongs to life {found} of a log, the log here is in life {log}: put the right file back, or move \
         this one away and let processors begin at their start again"
    )]
    OtherIncarnation {
        /// Which file.
        path: PathBuf,
        /// The life the file belongs to.
        found: Incarnation,
        /// The life of the log.
        log: Incarnation,
    },
    /// Reading or writing failed.
    #[error("state cannot be used now: {reason}")]
    Unavailable {
        /// Why.
        reason: String,
    },
}

/// Why a piece of work on `state.db` is not done.
#[derive(Debug)]
pub(crate) enum Failed<E> {
    /// SQLite says no, which ends the transaction of all that share it.
    Sql(rusqlite::Error),
    /// Only whoever asked is refused.
    Refused(E),
}

impl<E> From<rusqlite::Error> for Failed<E> {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sql(error)
    }
}

impl<E> Failed<E> {
    /// Tells what ends a transaction from what only one of those that share it is told.
    pub(super) fn apart<T>(done: Result<T, Self>) -> rusqlite::Result<Result<T, E>> {
        match done {
            Ok(done) => Ok(Ok(done)),
            Err(Self::Refused(error)) => Ok(Err(error)),
            Err(Self::Sql(error)) => Err(error),
        }
    }
}

impl StateError {
    pub(super) fn unavailable(reason: impl std::fmt::Display) -> Self {
        Self::Unavailable { reason: reason.to_string() }
    }

    /// Sorts what SQLite says about a file.
    pub(super) fn sql(path: &Path, error: &rusqlite::Error) -> Self {
        let damaged = match error {
            rusqlite::Error::SqliteFailure(failure, _) => {
                matches!(
                    failure.code,
                    ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase | ErrorCode::Unknown
                )
            }
            rusqlite::Error::InvalidColumnType(..) | rusqlite::Error::FromSqlConversionFailure(..) => true,
            _ => false,
        };
        if damaged {
            Self::Damaged { path: path.to_owned(), reason: error.to_string() }
        } else {
            Self::Unavailable { reason: format!("{}: {error}", path.display()) }
        }
    }
}
