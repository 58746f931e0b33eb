//! What is copied: read beside whoever writes it, and never changed.

use std::{
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures_util::TryStreamExt;
use gesta_core::{
    CheckpointError, CheckpointKey, CheckpointRecord, EventStore, Filter, Incarnation, Position, ReadAll,
    ReadError, RecordedEvent, limits,
};
use gesta_file::FolderReader;
use gesta_postgres::PostgresStore;

use super::{
    place::{Place, not_opened},
    target::{AGAIN, TRIES, Target, connected, is_free},
};
use crate::exit::{Exit, Failure};

/// So many events are asked for at once.
const RUN: usize = limits::COPY_EVENTS;
/// How often a folder is looked at for more.
const LOOK: Duration = Duration::from_millis(200);
/// How often a database is looked at although nothing was heard of it.
const POLL: Duration = Duration::from_secs(1);
/// So many checkpoints are asked for at once: each may hold 16 MiB.
const PAGE: usize = 8;

/// A log that is read.
#[derive(Clone)]
pub(super) enum Source {
    Folder(Arc<Mutex<FolderReader>>),
    Database(PostgresStore),
}

impl Source {
    /// Looks for the log there; one that is not there is refused.
    pub(super) async fn open(place: &Place) -> Result<Self, Failure> {
        match place {
            Place::Folder(path) => Self::folder(path),
            Place::Database(url) => connected(url).await.map(Self::Database),
        }
    }

    fn folder(path: &Path) -> Result<Self, Failure> {
        let reader = FolderReader::open(path).map_err(not_opened)?;
        Ok(Self::Folder(Arc::new(Mutex::new(reader))))
    }

    /// The same log once more, to be read from its start.
    pub(super) fn again(&self, place: &Place) -> Result<Self, Failure> {
        match (place, self) {
            (Place::Folder(path), _) => Self::folder(path),
            (Place::Database(_), other) => Ok(other.clone()),
        }
    }

    /// What has been copied, read from where it is stored.
    pub(super) fn beside(place: &Place, target: &Target) -> Result<Self, Failure> {
        match (place, target.database()) {
            (Place::Database(_), Some(store)) => Ok(Self::Database(store.clone())),
            (Place::Folder(path), _) => Self::folder(path),
            (place, None) => Err(Failure::failed(format!("{place} is not open"))),
        }
    }

    /// Sees to it that nobody appends any more, as far as that can be done; answers whether somebody may.
    pub(super) async fn hold(&self) -> Result<bool, Failure> {
        match self {
            Self::Folder(reader) => locked(reader).hold().map_err(not_opened),
            Self::Database(store) => is_free(store).await,
        }
    }

    /// Which life of the log it is.
    pub(super) async fn incarnation(&self) -> Result<Incarnation, Failure> {
        match self {
            Self::Folder(reader) => Ok(locked(reader).incarnation()),
            Self::Database(store) => Ok(store.head().await?.incarnation),
        }
    }

    /// How far it can be read now.
    pub(super) async fn head(&self) -> Result<Position, Failure> {
        match self {
            Self::Folder(reader) => blocking(reader, |reader| reader.head()).await,
            Self::Database(store) => Ok(store.head().await?.position),
        }
    }

    /// The next events behind `after`, none if there are no more now.
    pub(super) async fn read(&self, after: Position, up_to: Position) -> Result<Vec<RecordedEvent>, Failure> {
        let mut events = match self {
            Self::Folder(reader) => blocking(reader, move |reader| reader.read(after, RUN)).await?,
            Self::Database(store) => from_database(store, after, up_to).await?,
        };
        events.truncate(events.partition_point(|event| event.position <= up_to));
        Ok(events)
    }

    /// Waits until there may be more behind `after`.
    pub(super) async fn more(&self, after: Position) {
        match self {
            Self::Folder(_) => tokio::time::sleep(LOOK).await,
            Self::Database(store) => {
                let mut wakeups = store.wakeups();
                if wakeups.latest() <= after {
                    let _ = tokio::time::timeout(POLL, wakeups.next()).await;
                }
            }
        }
    }

    /// How far processors came.
    pub(super) async fn checkpoints(&self) -> Result<Vec<CheckpointRecord>, Failure> {
        let mut found: Vec<CheckpointRecord> = Vec::new();
        loop {
            let last = found.last().map(|last| last.key.clone());
            let page = self.page(last).await.map_err(|error| Failure::new(Exit::Unavailable, error))?;
            if page.is_empty() {
                return Ok(found);
            }
            found.extend(page);
        }
    }

    async fn page(&self, after: Option<CheckpointKey>) -> Result<Vec<CheckpointRecord>, CheckpointError> {
        match self {
            Self::Folder(reader) => locked(reader).checkpoints(after.as_ref(), PAGE),
            Self::Database(store) => store.checkpoints().list(after.as_ref(), PAGE).await,
        }
    }

    /// Lets go of it.
    pub(super) async fn close(&self) {
        if let Self::Database(store) = self {
            store.close().await;
        }
    }
}

/// The next events of a database; waits while it is away.
async fn from_database(
    store: &PostgresStore,
    after: Position,
    up_to: Position,
) -> Result<Vec<RecordedEvent>, Failure> {
    let mut tries = 1;
    loop {
        match page(store, after, up_to).await {
            Err(ReadError::Unavailable { .. }) if tries < TRIES => {
                tries += 1;
                tokio::time::sleep(AGAIN).await;
            }
            read => return Ok(read?),
        }
    }
}

async fn page(
    store: &PostgresStore,
    after: Position,
    up_to: Position,
) -> Result<Vec<RecordedEvent>, ReadError> {
    let read = ReadAll::of(Filter::everything()).after(after).up_to(up_to).limit(RUN);
    let mut stream = store.read_all(read);
    let (mut events, mut bytes) = (Vec::new(), 0);
    while bytes < limits::BATCH_BYTES
        && let Some(event) = stream.try_next().await?
    {
        bytes += event.data.len() + event.metadata.len();
        events.push(event);
    }
    Ok(events)
}

fn locked(reader: &Mutex<FolderReader>) -> std::sync::MutexGuard<'_, FolderReader> {
    reader.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn blocking<T: Send + 'static>(
    reader: &Arc<Mutex<FolderReader>>,
    work: impl FnOnce(&mut FolderReader) -> Result<T, ReadError> + Send + 'static,
) -> Result<T, Failure> {
    let reader = reader.clone();
    let done = tokio::task::spawn_blocking(move || work(&mut locked(&reader))).await;
    Ok(done.map_err(Failure::failed)??)
}
