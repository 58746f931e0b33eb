//! Reading connections, opened when first needed and kept.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard},
};

use rusqlite::Connection;
use tokio::sync::Semaphore;

use super::{Guard, StateError, connection};

/// So many reads run at once; others wait.
const READERS: usize = 4;

/// Reading connections that nobody uses at the moment.
pub(super) struct Readers {
    path: PathBuf,
    idle: Mutex<Vec<Reading>>,
    permits: Arc<Semaphore>,
}

/// A connection, and what tells it that SQL is foreign.
struct Reading {
    connection: Connection,
    guard: Guard,
}

impl Readers {
    /// Opens nothing yet.
    pub(super) fn of(path: PathBuf) -> Self {
        Self { path, idle: Mutex::default(), permits: Arc::new(Semaphore::new(READERS)) }
    }

    /// Runs `work` on a thread that may block.
    pub(super) async fn run<T: Send + 'static>(
        readers: Arc<Self>,
        work: impl FnOnce(&Connection, &Guard) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StateError> {
        let path = readers.path.clone();
        let permit = Arc::clone(&readers.permits).acquire_owned().await.map_err(StateError::unavailable)?;
        let reading = tokio::task::spawn_blocking(move || {
            // Held by the work and not by who asked: one who hangs up does not make room for another.
            let _permit = permit;
            let reading = readers.take()?;
            // A connection that failed is not kept.
            let found = work(&reading.connection, &reading.guard)?;
            readers.idle().push(reading);
            Ok(found)
        });
        let found: rusqlite::Result<T> = reading.await.map_err(StateError::unavailable)?;
        found.map_err(|error| StateError::sql(&path, &error))
    }

    /// A connection nobody uses, or a new one.
    fn take(&self) -> rusqlite::Result<Reading> {
        if let Some(kept) = self.idle().pop() {
            return Ok(kept);
        }
        let mut connection = connection::reading(&self.path)?;
        let guard = Guard::default();
        guard.watch(&mut connection)?;
        Ok(Reading { connection, guard })
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Reading>> {
        self.idle.lock().expect("no holder of the readers' lock panics")
    }
}
