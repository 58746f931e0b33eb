//! The derived index: event id → position, stream → positions, correlation → positions, names of streams.
//!
//! It is filled by one thread from durable records of the log, in batches that carry their watermark, is never
//! synced, and whatever is wrong with it is answered by building it anew. So it may be asked anything at any time
//! and never has to be believed: a hit counts only if the record it points to agrees (two correlations may share a
//! hash), and a miss only up to the watermark.
//!
//! How it is written was decided by measurement (`examples/index_rate.rs`; groups of 256 events with random ids over
//! 100,000 streams, a lookup of every id and a sync of every group beside it, other programs on the same two cores):
//!
//! | Written as | 2 M events | Applying one | CPU of the compaction |
//! |---|---|---|---|
//! | a batch through fjall's journal, as entries come (about 1,000) | 132 k events/s | 6.5 µs | 4.0 µs |
//! | the same, 32,768 entries at once | 126 k/s | 3.2 µs | 2.4 µs |
//! | a sorted table (`start_ingestion`), 32,768 entries at once | 244 k/s | 2.0 µs | 3.2 µs |
//! | the same, 65,536 at once | 242 k/s | 1.8 µs | 2.1 µs |
//!
//! At 10 M events, with seven programs waiting for two cores: applying 3.0 µs and a lookup of a new id 2.2 µs of CPU,
//! 100 events of a stream 67 µs, 600 MiB on disk, and memory flat at 229 MiB from 4 M on (with the 262,144 entries
//! that wait, and the generator's own).
//!
//! So large batches become tables and small ones, which are the rule on a server at rest, go through the journal and
//! cost no sync. Whoever applies under load should wait for [`WORTHWHILE`] entries. Keys are handed over in order and
//! have at most 20 bytes where one comes for each event: that alone halved the cost of both.

mod audit;
mod keys;
mod open;
mod run;
mod tree;

use std::{
    path::{Path, PathBuf},
    sync::{
        RwLock, RwLockReadGuard,
        atomic::{AtomicU64, Ordering},
    },
};

use gesta_core::{Direction, Incarnation, ListStreams, Position, StreamId, StreamInfo, Tenant, Version};
use uuid::Uuid;

pub(crate) use audit::Digest;
use tree::Tree;

/// So many entries are worth waiting a moment for (a quarter of a second, say): together they cost half.
pub(crate) const WORTHWHILE: usize = 65_536;

/// What the index keeps of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Where the event is.
    pub(crate) position: Position,
    /// Whose it is.
    pub(crate) tenant: Tenant,
    /// Its stream.
    pub(crate) stream: StreamId,
    /// Its place in that.
    pub(crate) version: Version,
    /// Its id.
    pub(crate) id: Uuid,
    /// `None` when it is the event's own id.
    pub(crate) correlation: Option<String>,
}

/// The index cannot answer or take entries: reopen it, then rebuild it.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the index cannot be used: {reason}; it is derived from the log and can be rebuilt")]
pub(crate) struct IndexError {
    reason: String,
}

impl IndexError {
    /// Whatever is wrong, the answer is the same.
    fn broken(reason: impl Into<String>) -> Self {
        Self { reason: reason.into() }
    }
}

impl From<fjall::Error> for IndexError {
    fn from(error: fjall::Error) -> Self {
        Self::broken(error.to_string())
    }
}

/// The index of one life of a log. All calls block; one thread applies, any thread asks.
pub(crate) struct Index {
    dir: PathBuf,
    incarnation: Incarnation,
    /// `None` between a failed reopening and the next try.
    tree: RwLock<Option<Tree>>,
    /// The highest watermark there ever was: below it the index answers nothing, for a miss would not be one.
    reached: AtomicU64,
    found: Found,
}

/// What opening the folder came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Found {
    /// The index goes on from its watermark.
    Fits,
    /// The index vouches for events that the log does not have: somebody cut the log. The folder is left as it is;
    /// the log must not be served.
    AheadOfLog {
        /// Up to where the log has once been durable.
        witness: Position,
    },
    /// The folder was of no use and is empty now: everything has to be applied again.
    Discarded {
        /// What was wrong with it.
        reason: String,
    },
}

impl Index {
    /// Opens the folder `dir`, made if absent. A folder that is damaged, foreign, of another format or of another
    /// incarnation is deleted and begun anew. Fails only if no folder can be made at all.
    pub(crate) fn open(
        dir: &Path,
        incarnation: Incarnation,
        durable_head: Position,
    ) -> Result<Self, IndexError> {
        let (tree, discarded) = open::open(dir, incarnation)?;
        let found = match discarded {
            Some(reason) => Found::Discarded { reason },
            None if tree.watermark() > durable_head => Found::AheadOfLog { witness: tree.watermark() },
            None => Found::Fits,
        };
        Ok(Self::new(dir, incarnation, tree, found))
    }

    /// Opens a folder as it is, or says why it cannot be used: for whoever only looks.
    pub(crate) fn inspect(dir: &Path, incarnation: Incarnation) -> Result<Self, IndexError> {
        Ok(Self::new(dir, incarnation, open::open_as_it_is(dir, incarnation)?, Found::Fits))
    }

    fn new(dir: &Path, incarnation: Incarnation, tree: Tree, found: Found) -> Self {
        let reached = AtomicU64::new(tree.watermark().get());
        Self { dir: dir.to_owned(), incarnation, tree: RwLock::new(Some(tree)), reached, found }
    }

    /// What [`Index::open`] came upon.
    pub(crate) fn found(&self) -> &Found {
        &self.found
    }

    /// Everything up to here is applied; [`Position::START`] while the index cannot be used.
    pub(crate) fn watermark(&self) -> Position {
        self.read().as_ref().map_or(Position::START, Tree::watermark)
    }

    /// Applies the entries behind the watermark, in order of position and without a gap: one atomic batch together
    /// with its watermark, not synced. After an error nothing of it counts, and the watermark tells where to go on.
    pub(crate) fn apply(&self, entries: &[Entry]) -> Result<(), IndexError> {
        self.with(|tree| {
            tree.apply(entries)?;
            self.reached.fetch_max(tree.watermark().get(), Ordering::AcqRel);
            Ok(())
        })
    }

    /// Closes and opens the folder again, which helps after some failures of the library below. Go on from the
    /// watermark, which may have gone back, to the start even.
    pub(crate) fn reopen(&self) -> Result<(), IndexError> {
        let mut tree = self.tree.write().expect("no holder of the index's lock panics");
        *tree = None;
        *tree = Some(open::open(&self.dir, self.incarnation)?.0);
        Ok(())
    }

    /// Lets go of the folder. Whoever asks afterwards gets an error.
    pub(crate) fn close(&self) {
        *self.tree.write().unwrap_or_else(std::sync::PoisonError::into_inner) = None;
    }

    /// Begins anew with an empty folder: the watermark is [`Position::START`].
    pub(crate) fn rebuild(&self) -> Result<(), IndexError> {
        let mut tree = self.tree.write().expect("no holder of the index's lock panics");
        *tree = None;
        open::set_aside(&self.dir).map_err(|error| IndexError::broken(error.to_string()))?;
        *tree = Some(open::open(&self.dir, self.incarnation)?.0);
        Ok(())
    }

    /// Where the event of this id is.
    pub(crate) fn find_id(&self, tenant: &Tenant, id: Uuid) -> Result<Option<Position>, IndexError> {
        self.ask(|tree| tree.find_id(tenant, id))
    }

    /// The version of a stream, [`Version::EMPTY`] if it is unknown.
    pub(crate) fn stream_version(&self, tenant: &Tenant, stream: &StreamId) -> Result<Version, IndexError> {
        self.ask(|tree| tree.stream_version(tenant, stream))
    }

    /// Where the events of a stream with `after < version ≤ up_to` are, at most `limit` from the end asked for.
    pub(crate) fn stream_positions(
        &self,
        tenant: &Tenant,
        stream: &StreamId,
        after: Version,
        up_to: Version,
        direction: Direction,
        limit: usize,
    ) -> Result<Vec<(Version, Position)>, IndexError> {
        self.ask(|tree| tree.stream_positions(tenant, stream, (after, up_to), direction, limit))
    }

    /// Where the events of a correlation with `after < position ≤ up_to` may be, at most `limit` from the end asked
    /// for: compare the correlation of each record. An event whose correlation is its own id is among them.
    pub(crate) fn correlated(
        &self,
        tenant: &Tenant,
        correlation: &str,
        after: Position,
        up_to: Position,
        direction: Direction,
        limit: usize,
    ) -> Result<Vec<Position>, IndexError> {
        self.ask(|tree| tree.correlated(tenant, correlation, (after, up_to), direction, limit))
    }

    /// The streams that pass, by name.
    pub(crate) fn list_streams(&self, list: &ListStreams) -> Result<Vec<StreamInfo>, IndexError> {
        self.ask(|tree| tree.list_streams(list))
    }

    /// Asks a tree that knows all it ever knew.
    fn ask<T>(&self, ask: impl FnOnce(&Tree) -> Result<T, IndexError>) -> Result<T, IndexError> {
        self.with(|tree| {
            let (known, reached) = (tree.watermark().get(), self.reached.load(Ordering::Acquire));
            if known < reached {
                return Err(IndexError::broken(format!(
                    "it is being built anew: {known} of {reached} positions"
                )));
            }
            ask(tree)
        })
    }

    fn with<T>(&self, ask: impl FnOnce(&Tree) -> Result<T, IndexError>) -> Result<T, IndexError> {
        match &*self.read() {
            Some(tree) => ask(tree),
            None => Err(IndexError::broken("it is closed, or could not be reopened")),
        }
    }

    fn read(&self) -> RwLockReadGuard<'_, Option<Tree>> {
        // A panic of the library below while it was asked is its affair: the tree is replaced as a whole.
        self.tree.read().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
