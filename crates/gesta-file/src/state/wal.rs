//! Moves the write-ahead log into the file on a thread beside the writer, so that the writer seldom has to.

use std::{
    path::Path,
    sync::mpsc::{Receiver, SyncSender, sync_channel},
    thread::{self, JoinHandle},
};

use rusqlite::Connection;

use super::{StateError, connection};

/// Below so many pages it is not worth a sync of the disk that the log writes to.
const FOLD_PAGES: i64 = 1_000;

/// The thread, and how to wake it.
pub(super) struct Folding {
    wake: Option<SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Folding {
    pub(super) fn start(path: &Path) -> Result<Self, StateError> {
        let connection = connection::writing(path).map_err(|error| error.at(path))?;
        let (wake, woken) = sync_channel(1);
        let thread = thread::Builder::new()
            .name("gesta-state-wal".into())
            .spawn(move || fold(&connection, &woken))
            .map_err(StateError::unavailable)?;
        Ok(Self { wake: Some(wake), thread: Some(thread) })
    }

    /// Something was committed. Never waits.
    pub(super) fn committed(&self) {
        if let Some(wake) = &self.wake {
            // Full means that it is awake already.
            let _ = wake.try_send(());
        }
    }
}

impl Drop for Folding {
    fn drop(&mut self) {
        self.wake = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// The thread's loop: ends when the writer does.
fn fold(connection: &Connection, woken: &Receiver<()>) {
    while woken.recv().is_ok() {
        if let Err(error) = fold_if_long(connection) {
            // The writer does it inline when the WAL gets longer still, and reports what fails there.
            tracing::warn!(%error, "the write-ahead log of state.db could not be moved into the file");
        }
    }
}

fn fold_if_long(connection: &Connection) -> rusqlite::Result<()> {
    if pages_left(connection, "PRAGMA wal_checkpoint(NOOP)")? >= FOLD_PAGES {
        pages_left(connection, "PRAGMA wal_checkpoint(PASSIVE)")?;
    }
    Ok(())
}

/// How many pages of the write-ahead log are not in the file after this pragma.
fn pages_left(connection: &Connection, pragma: &str) -> rusqlite::Result<i64> {
    connection.query_row(pragma, [], |row| Ok(row.get::<_, i64>(1)? - row.get::<_, i64>(2)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_log_is_moved_and_a_short_one_left() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("state.db");
        let writing = connection::writing(&path).unwrap_or_else(|_| panic!("opens"));
        writing.execute_batch("CREATE TABLE t (x BLOB)").expect("creates");
        let beside = connection::writing(&path).unwrap_or_else(|_| panic!("opens"));
        let left = || pages_left(&beside, "PRAGMA wal_checkpoint(NOOP)").expect("asks");
        let before = left();
        assert!(before > 0);
        fold_if_long(&beside).expect("folds");
        assert_eq!(left(), before, "a short log is left");
        let blob = vec![7u8; 4096 * usize::try_from(FOLD_PAGES).expect("fits")];
        writing.execute("INSERT INTO t VALUES (?1)", [blob]).expect("inserts");
        assert!(left() > FOLD_PAGES);
        fold_if_long(&beside).expect("folds");
        assert_eq!(left(), 0);
    }
}
