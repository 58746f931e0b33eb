//! Connections to `state.db`, each with what it promises switched on.

use std::{path::Path, time::Duration};

use rusqlite::{Connection, OpenFlags};

use super::StateError;

/// "GSTA": tells the file from another program's.
pub(super) const APPLICATION_ID: i32 = 0x4753_5441;
/// The first SQLite in which two connections may write and checkpoint a WAL at any moment.
const SQLITE_VERSION: i32 = 3_051_003;
/// The writing connection moves the WAL into the file itself once it is this long, in pages.
const INLINE_FOLD_PAGES: i32 = 4_000;
/// So many compiled statements a connection keeps: those of Gesta itself and of a good many projections.
const STATEMENTS: usize = 256;
const BUSY: Duration = Duration::from_secs(10);

/// Why there is no connection.
pub(super) enum Refused {
    OldSqlite(String),
    Sql(rusqlite::Error),
}

impl From<rusqlite::Error> for Refused {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sql(error)
    }
}

impl Refused {
    pub(super) fn at(self, path: &Path) -> StateError {
        match self {
            Self::OldSqlite(found) => StateError::OldSqlite { found },
            Self::Sql(error) => StateError::sql(path, &error),
        }
    }
}

/// The connection that writes; its commits survive a kill.
pub(super) fn writing(path: &Path) -> Result<Connection, Refused> {
    if rusqlite::version_number() < SQLITE_VERSION {
        return Err(Refused::OldSqlite(rusqlite::version().to_owned()));
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE;
    let connection = Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.busy_timeout(BUSY)?;
    connection.pragma_update(None, "journal_mode", "wal")?;
    connection.pragma_update(None, "synchronous", "normal")?;
    connection.pragma_update(None, "secure_delete", true)?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "cache_size", -16_384)?;
    connection.pragma_update(None, "wal_autocheckpoint", INLINE_FOLD_PAGES)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    Ok(connection)
}

/// A connection whose commits survive a power cut as well.
pub(super) fn durable(path: &Path) -> Result<Connection, Refused> {
    let connection = writing(path)?;
    connection.pragma_update(None, "synchronous", "full")?;
    Ok(connection)
}

/// A connection that cannot write.
pub(super) fn reading(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY)?;
    connection.pragma_update(None, "query_only", true)?;
    connection.pragma_update(None, "cache_size", -4_096)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    Ok(connection)
}
