//! Reads the log of a folder beside whoever has it open.

mod walk;

use std::path::{Path, PathBuf};

use gesta_core::{
    CheckpointError, CheckpointKey, CheckpointRecord, Incarnation, Position, ReadError, RecordedEvent,
};

use crate::{
    OpenError, checkpoints,
    log::{folder::Folder, meta::Meta},
    state::{FILE, Look},
};
use walk::{Log, Place};

/// A read takes no more groups once it has so many bytes.
const READ_BYTES: usize = 8 << 20;

/// Reads a data folder without opening it: a server may run on it, and nothing in it is changed.
///
/// What it hands out is durable and never different later, as with any read. What a crash has torn and nobody was told
/// about is left out; any other damage is refused.
///
/// ```
/// use gesta_core::{AppendBatch, EventStore, ExpectedVersion, NewEvent, Position};
/// use gesta_file::{FileStore, FolderReader, Options};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let dir = tempfile::tempdir()?;
/// let store = FileStore::open(dir.path(), Options::default())?;
/// let placed = NewEvent::new("order.placed", "{}");
/// store.append(AppendBatch::to("order-7".parse()?, ExpectedVersion::NoStream, [placed])).await?;
///
/// let mut beside = FolderReader::open(dir.path())?;
/// let events = beside.read(Position::START, 100)?;
/// assert_eq!(&*events[0].event_type, "order.placed");
/// assert!(!beside.hold()?, "the store has it");
/// # Ok(()) }
/// ```
pub struct FolderReader {
    dir: PathBuf,
    log: Log,
    /// Where the last read ended.
    place: Option<Place>,
    held: Option<Folder>,
}

impl FolderReader {
    /// Looks for a log in `dir`; one that was never opened is refused as [`OpenError::Nothing`].
    pub fn open(dir: impl AsRef<Path>) -> Result<Self, OpenError> {
        let dir = dir.as_ref();
        let Some(meta) = Meta::read(dir)? else {
            return Err(OpenError::Nothing { dir: dir.display().to_string() });
        };
        let log = Log { dir: dir.join("log"), incarnation: meta.incarnation, vouched: meta.head };
        Ok(Self { dir: dir.to_owned(), log, place: None, held: None })
    }

    /// Which life of the log it is.
    pub fn incarnation(&self) -> Incarnation {
        self.log.incarnation
    }

    /// Keeps the folder from being opened until this is dropped. Answers `false` if somebody has it open.
    pub fn hold(&mut self) -> Result<bool, OpenError> {
        if self.held.is_none() {
            match Folder::open(&self.dir) {
                Ok(folder) => self.held = Some(folder),
                Err(OpenError::InUse { .. }) => return Ok(false),
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    /// How far the log can be read now. Reads the newest segment, which takes a second at most.
    pub fn head(&self) -> Result<Position, ReadError> {
        let mut place = self.log.find(Position::new(u64::MAX))?;
        self.log.walk(&mut place, |_| Ok(true))?;
        Ok(Position::new(place.next.get() - 1))
    }

    /// The events behind `after`, oldest first: about as many as were asked for, hardly more than 16 MiB of them, none
    /// if there are no more now. It is cheap to go on where the last read has ended.
    pub fn read(&mut self, after: Position, events: usize) -> Result<Vec<RecordedEvent>, ReadError> {
        let mut place = match self.place.take() {
            Some(place) if place.next == after.next() => place,
            _ => self.log.find(after.next())?,
        };
        let (mut found, mut bytes) = (Vec::new(), 0);
        self.log.walk(&mut place, |group| {
            let before = found.len();
            walk::events(group, after, &mut found)?;
            bytes += if found.len() > before { group.frames.len() } else { 0 };
            Ok(found.len() < events && bytes < READ_BYTES)
        })?;
        if !found.is_empty() {
            self.log.sync(&place)?;
        }
        self.place = Some(place);
        Ok(found)
    }

    /// How far processors came, as [`CheckpointStore::list`](gesta_core::CheckpointStore::list) tells. None of them is
    /// ahead of what can be read afterwards.
    pub fn checkpoints(
        &self,
        after: Option<&CheckpointKey>,
        limit: usize,
    ) -> Result<Vec<CheckpointRecord>, CheckpointError> {
        if !self.dir.join(FILE).exists() {
            return Ok(Vec::new());
        }
        let look = Look::open(&self.dir, self.log.incarnation)?;
        look.read(|connection| checkpoints::page(connection, after, limit))
    }
}

impl std::fmt::Debug for FolderReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FolderReader").field("dir", &self.dir).finish_non_exhaustive()
    }
}
