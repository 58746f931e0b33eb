//! Reading connections, opened when first needed and kept.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard},
};

use rusqlite::Connection;
use tokio::sync::Semaphore;

use super::{StateError, connection};

/// So many reads run at once; others wait.
const READERS: usize = 4;

/// Reading connections that nobody uses at the moment.
pub(super) struct Readers {
    path: PathBuf,
    idle: Mutex<Vec<Connection>>,
    permits: Semaphore,
}

impl Readers {
    /// Opens nothing yet.
    pub(super) fn of(path: PathBuf) -> Self {
        Self { path, idle: Mutex::default(), permits: Semaphore::new(READERS) }
    }

    /// Runs `work` on a thread that may block.
    pub(super) async fn run<T: Send + 'static>(
        readers: Arc<Self>,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StateError> {
        let permits = Arc::clone(&readers);
        let _permit = permits.permits.acquire().await.map_err(StateError::unavailable)?;
        let reading = tokio::task::spawn_blocking(move || {
            let connection = readers.take()?;
            // A connection that failed is not kept.
            let found = work(&connection)?;
            readers.idle().push(connection);
            Ok(found)
        });
        let found: rusqlite::Result<T> = reading.await.map_err(StateError::unavailable)?;
        found.map_err(|error| StateError::sql(&permits.path, &error))
    }

    /// A connection nobody uses, or a new one.
    fn take(&self) -> rusqlite::Result<Connection> {
        let kept = self.idle().pop();
        kept.map_or_else(|| connection::reading(&self.path), Ok)
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Connection>> {
        self.idle.lock().expect("no holder of the readers' lock panics")
    }
}
