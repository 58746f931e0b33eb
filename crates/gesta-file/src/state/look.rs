//! Looks at `state.db` without changing it.

use std::path::{Path, PathBuf};

use gesta_core::Incarnation;
use rusqlite::{Connection, Row};

use super::{Failed, StateError, belongs_to, connection, migrate, path_in};

/// The file, open for reading.
pub(crate) struct Look {
    connection: Connection,
    path: PathBuf,
}

impl Look {
    /// Opens the file of a data folder that belongs to this life of the log.
    pub(crate) fn open(folder: &Path, incarnation: Incarnation) -> Result<Self, StateError> {
        let path = path_in(folder);
        let connection = connection::reading(&path).map_err(|error| StateError::sql(&path, &error))?;
        migrate::check(&connection, &path)?;
        belongs_to(&connection, &path, incarnation)?;
        Ok(Self { connection, path })
    }

    /// Answers from one moment of the file, whoever writes it meanwhile.
    pub(crate) fn read<T, E: From<StateError>>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, Failed<E>>,
    ) -> Result<T, E> {
        let within = || {
            let one_moment = self.connection.unchecked_transaction()?;
            Failed::apart(work(&one_moment))
        };
        within().map_err(|error| StateError::sql(&self.path, &error))?
    }

    /// What SQLite finds wrong with the file, at most 20 of it.
    pub(crate) fn faults(&self) -> Result<Vec<String>, StateError> {
        let mut faults = Vec::new();
        self.rows("PRAGMA integrity_check(20)", |row| {
            let said: String = row.get(0)?;
            faults.extend(Some(said).filter(|said| said != "ok"));
            Ok(())
        })?;
        Ok(faults)
    }

    /// Hands over every row of a query.
    pub(crate) fn rows(
        &self,
        query: &str,
        mut take: impl FnMut(&Row<'_>) -> rusqlite::Result<()>,
    ) -> Result<(), StateError> {
        let mut walk = || -> rusqlite::Result<()> {
            let mut statement = self.connection.prepare(query)?;
            let mut rows = statement.query([])?;
            while let Some(row) = rows.next()? {
                take(row)?;
            }
            Ok(())
        };
        walk().map_err(|error| StateError::sql(&self.path, &error))
    }
}
