//! `state.db`: checkpoints, snapshots and, with them, read models, in SQLite.
//!
//! Always consistent, but a power cut (not a kill) may take its last commits: what was saved resumes a little
//! earlier. Only a new owner's epoch is synced before it is given out. Nothing lives here alone that the log cannot
//! give back or that may not be repeated, so a damaged file is named and may be moved away; the log is not hurt.

mod connection;
mod error;
mod guard;
mod look;
mod migrate;
mod readers;
mod sum;
mod wal;
mod writer;

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard},
};

use gesta_core::{Incarnation, Position};
use rusqlite::{Connection, OptionalExtension, TransactionBehavior};

pub(crate) use error::Failed;
pub use error::StateError;
pub(crate) use guard::Guard;
pub(crate) use look::Look;
use readers::Readers;
pub(crate) use sum::sum;
use writer::Writer;

/// The name of the file in the data folder.
pub(crate) const FILE: &str = "state.db";

/// The open `state.db`: one writing connection on a thread of its own, and reading ones.
pub(crate) struct State {
    place: Place,
    guard: Guard,
    max_position: Position,
}

/// Where it is.
enum Place {
    Folder {
        // Dropped in this order: the writer first finishes what is queued.
        writer: Writer,
        readers: Arc<Readers>,
        /// For foreign queries, which are watched over.
        queries: Arc<Readers>,
    },
    /// One connection for all, for tests.
    Memory(Mutex<Connection>),
}

impl State {
    /// Opens `state.db` in the data folder, made if absent, and brings it to this release's shape.
    ///
    /// Refuses what it cannot use and leaves it as it is: a damaged or foreign file, one of a newer release, one of
    /// another life of the log, and an SQLite below 3.51.3.
    pub(crate) fn open(folder: &Path, incarnation: Incarnation) -> Result<Self, StateError> {
        let path = folder.join(FILE);
        let mut connection = connection::writing(&path).map_err(|error| error.at(&path))?;
        migrate::run(&mut connection, &path)?;
        if belongs_to(&connection, &path, incarnation)? == Owner::Nobody {
            save_identity(&connection, &path, incarnation)?;
        }
        let max_position = max_position(&connection).map_err(|error| StateError::sql(&path, &error))?;
        let mut durable = connection::durable(&path).map_err(|error| error.at(&path))?;
        let guard = Guard::default();
        for writing in [&mut connection, &mut durable] {
            guard.watch(writing).map_err(|error| StateError::sql(&path, &error))?;
        }
        let writer = Writer::start(connection, durable, wal::Folding::start(&path)?)?;
        let (readers, queries) = (Arc::new(Readers::of(path.clone())), Arc::new(Readers::of(path)));
        Ok(Self { place: Place::Folder { writer, readers, queries }, guard, max_position })
    }

    /// The same in memory, gone with this.
    pub(crate) fn in_memory() -> Result<Self, StateError> {
        let path = Path::new(":memory:");
        let mut connection = connection::writing(path).map_err(|error| error.at(path))?;
        migrate::run(&mut connection, path)?;
        let guard = Guard::default();
        guard.watch(&mut connection).map_err(|error| StateError::sql(path, &error))?;
        let max_position = Position::START;
        Ok(Self { place: Place::Memory(Mutex::new(connection)), guard, max_position })
    }

    /// The highest position that any checkpoint stood at when the file was opened: a witness of how far the log has
    /// been durable.
    pub(crate) fn max_position(&self) -> Position {
        self.max_position
    }

    /// To be entered while foreign SQL is run by [`State::write`].
    pub(crate) fn guard(&self) -> Guard {
        self.guard.clone()
    }

    /// Runs `work` in a transaction and answers once that is committed; `work` may run twice, so it must do nothing
    /// beside. Several of those waiting share a transaction.
    pub(crate) async fn write<T: Send + 'static, E: From<StateError> + Send + 'static>(
        &self,
        work: impl Fn(&Connection) -> Result<T, Failed<E>> + Send + 'static,
    ) -> Result<T, E> {
        self.commit(false, work).await
    }

    /// As [`State::write`], and the commit survives a power cut.
    pub(crate) async fn write_durable<T: Send + 'static, E: From<StateError> + Send + 'static>(
        &self,
        work: impl Fn(&Connection) -> Result<T, Failed<E>> + Send + 'static,
    ) -> Result<T, E> {
        self.commit(true, work).await
    }

    async fn commit<T: Send + 'static, E: From<StateError> + Send + 'static>(
        &self,
        durable: bool,
        work: impl Fn(&Connection) -> Result<T, Failed<E>> + Send + 'static,
    ) -> Result<T, E> {
        let work = move |connection: &Connection| Failed::apart(work(connection));
        match &self.place {
            Place::Folder { writer, .. } => writer.run(durable, work).await?,
            Place::Memory(connection) => at_once(connection, work)?,
        }
    }

    /// Runs `work` on a reading connection: it sees every commit that was answered before.
    pub(crate) async fn read<T: Send + 'static, E: From<StateError> + Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, Failed<E>> + Send + 'static,
    ) -> Result<T, E> {
        let work = move |connection: &Connection| Failed::apart(work(connection));
        match &self.place {
            Place::Folder { readers, .. } => {
                Readers::run(Arc::clone(readers), move |connection, _| work(connection)).await?
            }
            Place::Memory(connection) => work(&locked(connection)).map_err(StateError::unavailable)?,
        }
    }

    /// As [`State::read`], for foreign SQL: the guard is that of the connection.
    pub(crate) async fn query<T: Send + 'static, E: From<StateError> + Send + 'static>(
        &self,
        work: impl FnOnce(&Connection, &Guard) -> Result<T, Failed<E>> + Send + 'static,
    ) -> Result<T, E> {
        let work = move |connection: &Connection, guard: &Guard| Failed::apart(work(connection, guard));
        match &self.place {
            Place::Folder { queries, .. } => Readers::run(Arc::clone(queries), work).await?,
            Place::Memory(connection) => {
                work(&locked(connection), &self.guard).map_err(StateError::unavailable)?
            }
        }
    }
}

fn locked(connection: &Mutex<Connection>) -> MutexGuard<'_, Connection> {
    connection.lock().expect("no holder of the connection's lock panics")
}

/// Runs `work` in a transaction on this thread.
fn at_once<T>(
    connection: &Mutex<Connection>,
    work: impl Fn(&Connection) -> rusqlite::Result<T>,
) -> Result<T, StateError> {
    let mut connection = locked(connection);
    let mut done = || -> rusqlite::Result<T> {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let done = work(&transaction)?;
        transaction.commit()?;
        Ok(done)
    };
    done().map_err(StateError::unavailable)
}

/// Copies the file of a data folder, which a running server may hold, as it is at one instant. `None` if there is
/// none.
pub(crate) fn copy(folder: &Path, to: &Path) -> Result<Option<()>, StateError> {
    let from = path_in(folder);
    if !from.exists() {
        return Ok(None);
    }
    let source = connection::reading(&from).map_err(|error| StateError::sql(&from, &error))?;
    migrate::check(&source, &from)?;
    let copied = || -> rusqlite::Result<()> {
        let mut target = Connection::open(to)?;
        // All pages in one step: one read transaction, which in WAL mode keeps no writer waiting.
        rusqlite::backup::Backup::new(&source, &mut target)?.step(-1)?;
        target.close().map_err(|(_, error)| error)
    };
    copied().map_err(|error| StateError::sql(to, &error))?;
    Ok(Some(()))
}

/// Rewrites which life of a log a stopped `state.db` belongs to: for a restore.
pub(crate) fn adopt(path: &Path, incarnation: Incarnation) -> Result<(), StateError> {
    let mut connection = connection::writing(path).map_err(|error| error.at(path))?;
    migrate::run(&mut connection, path)?;
    save_identity(&connection, path, incarnation)?;
    connection.close().map_err(|(_, error)| StateError::sql(path, &error))
}

#[derive(PartialEq, Eq)]
enum Owner {
    /// The file is fresh.
    Nobody,
    ThisLife,
}

fn belongs_to(connection: &Connection, path: &Path, incarnation: Incarnation) -> Result<Owner, StateError> {
    let found = connection
        .query_row(include_str!("sql/find_identity.sql"), [], |row| row.get::<_, [u8; 16]>(0))
        .optional()
        .map_err(|error| StateError::sql(path, &error))?;
    match found.map(Incarnation::from_bytes) {
        None => Ok(Owner::Nobody),
        Some(found) if found == incarnation => Ok(Owner::ThisLife),
        Some(found) => Err(StateError::OtherIncarnation { path: path.to_owned(), found, log: incarnation }),
    }
}

fn save_identity(connection: &Connection, path: &Path, incarnation: Incarnation) -> Result<(), StateError> {
    connection
        .execute(include_str!("sql/save_identity.sql"), [incarnation.to_bytes()])
        .map(|_| ())
        .map_err(|error| StateError::sql(path, &error))
}

fn max_position(connection: &Connection) -> rusqlite::Result<Position> {
    let mut statement = connection.prepare(include_str!("sql/list_checkpoints.sql"))?;
    let mut rows = statement.query([])?;
    let mut highest = Position::START;
    while let Some(row) = rows.next()? {
        let found =
            crate::checkpoints::checked(row.get_ref(0)?.as_str()?, row.get_ref(1)?.as_str()?, row, 2)?;
        highest = found.map_or(highest, |checkpoint| highest.max(checkpoint.position));
    }
    Ok(highest)
}

/// Where `state.db` of a data folder is.
pub(crate) fn path_in(folder: &Path) -> PathBuf {
    folder.join(FILE)
}

#[cfg(test)]
mod tests;
