//! What is copied into.

use std::{sync::Arc, time::Duration};

use futures_util::TryStreamExt;
use gesta_core::{
    AppendError, CheckpointStore, CopyError, CopyTarget, EventStore, Filter, Incarnation, Position, ReadAll,
    RecordedEvent,
};
use gesta_file::{FileStore, Options};
use gesta_postgres::{ConnectError, PostgresStore};

use super::place::{Place, not_opened};
use crate::exit::{Exit, Failure};

/// The name under which this command shows among the sessions of a database.
const SESSION: &str = "gesta-copy";
/// A store that is busy or away is asked again after this, so often: half a minute at least.
pub(super) const AGAIN: Duration = Duration::from_millis(250);
pub(super) const TRIES: usize = 120;
/// Sessions are given two seconds to end.
const LINGER: usize = 8;

/// A log that takes recorded events.
pub(super) enum Target {
    Folder(FileStore),
    Database(PostgresStore),
}

impl Target {
    /// Opens the log there; makes an empty one if there is none. Refuses one that is in use.
    pub(super) async fn open(place: &Place) -> Result<Self, Failure> {
        match place {
            Place::Folder(path) => {
                FileStore::open(path, Options::default()).map(Self::Folder).map_err(not_opened)
            }
            Place::Database(url) => {
                let store = connected(url).await?;
                if is_free(&store).await? {
                    return Ok(Self::Database(store));
                }
                let stop = "stop the servers that run on it, then run the same command again";
                Err(Failure::new(Exit::Unavailable, format!("{place} is in use: {stop}")))
            }
        }
    }

    /// The database, if it is one.
    pub(super) fn database(&self) -> Option<&PostgresStore> {
        match self {
            Self::Folder(_) => None,
            Self::Database(store) => Some(store),
        }
    }

    /// Where it ends, and which life of a log it is.
    pub(super) async fn head(&self) -> Result<(Position, Incarnation), Failure> {
        let head = match self {
            Self::Folder(store) => store.head().await?,
            Self::Database(store) => store.head().await?,
        };
        Ok((head.position, head.incarnation))
    }

    /// The event right behind a position.
    pub(super) async fn event(&self, after: Position) -> Result<Option<RecordedEvent>, Failure> {
        let read = ReadAll::of(Filter::everything()).after(after).limit(1);
        let mut found = match self {
            Self::Folder(store) => store.read_all(read),
            Self::Database(store) => store.read_all(read),
        };
        Ok(found.try_next().await?)
    }

    /// Appends a run; waits while the store is busy or away, and finds out what became of a run that nobody answered.
    pub(super) async fn append(&self, run: Vec<RecordedEvent>) -> Result<Position, Failure> {
        let last = run.last().map_or(Position::START, |last| last.position);
        let mut tries = 1;
        loop {
            let appended = match self {
                Self::Folder(store) => store.append_recorded(run.clone()).await,
                Self::Database(store) => store.append_recorded(run.clone()).await,
            };
            match appended {
                Err(CopyError::Refused(AppendError::Busy { .. } | AppendError::Unknown { .. }))
                    if tries < TRIES =>
                {
                    tries += 1;
                    tokio::time::sleep(AGAIN).await;
                    // A run is there as a whole or not at all.
                    if self.head().await.is_ok_and(|(head, _)| head == last) {
                        return Ok(last);
                    }
                }
                done => return done.map_err(refused),
            }
        }
    }

    /// How far its processors came.
    pub(super) fn checkpoints(&self) -> Arc<dyn CheckpointStore> {
        match self {
            Self::Folder(store) => store.checkpoints(),
            Self::Database(store) => store.checkpoints(),
        }
    }

    /// Writes what is queued and lets go of it.
    pub(super) async fn close(&self) {
        match self {
            Self::Folder(store) => store.close().await,
            Self::Database(store) => store.close().await,
        }
    }
}

/// Whether no server is on the database. Sessions of one that has just stopped take a moment to end.
pub(super) async fn is_free(store: &PostgresStore) -> Result<bool, Failure> {
    for _ in 0..LINGER {
        if store.other_sessions().await? == 0 {
            return Ok(true);
        }
        tokio::time::sleep(AGAIN).await;
    }
    Ok(false)
}

/// A connected database, under a name of this command's own.
pub(super) async fn connected(url: &str) -> Result<PostgresStore, Failure> {
    let separator = if url.contains('?') { '&' } else { '?' };
    let named = format!("{url}{separator}application_name={SESSION}");
    let options = gesta_postgres::Options::default().connections(4);
    PostgresStore::connect(&named, options).await.map_err(|error| {
        let exit = match &error {
            ConnectError::Unreachable { .. }
            | ConnectError::TooMany { .. }
            | ConnectError::Standby { .. } => Exit::Unavailable,
            ConnectError::Refused { .. } | ConnectError::Grants { .. } => Exit::Denied,
            ConnectError::NoDatabase { .. } => Exit::NotFound,
            ConnectError::Address { .. } => Exit::Usage,
            _ => Exit::Failed,
        };
        Failure::new(exit, error)
    })
}

fn refused(error: CopyError) -> Failure {
    match error {
        CopyError::Refused(error @ AppendError::Unknown { .. }) => Failure::new(
            Exit::Unavailable,
            format!("{error}; run the same command again, it goes on where the target ends"),
        ),
        CopyError::Refused(error) => error.into(),
        error @ (CopyError::Position { .. } | CopyError::Version { .. } | CopyError::IdTaken { .. }) => {
            Failure::new(Exit::Conflict, error)
        }
        error => Failure::failed(error),
    }
}
