//! The segments of a log, in order.

use std::{
    collections::VecDeque,
    fs::{self, File},
    io,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, RwLock},
};

use gesta_core::{Incarnation, Position, ReadError};
use uuid::Uuid;

use super::{
    segment::{self, Place, Segment},
    summary::{SealError, Summary, seal},
};
use crate::{Damage, OpenError};

/// So many files are kept open for readers.
const OPEN_FILES: usize = 64;

/// The segments of a log, in order, without a gap.
pub(crate) struct Chain {
    /// Where they are.
    pub(crate) dir: PathBuf,
    /// Which life of the log they belong to.
    pub(crate) incarnation: Incarnation,
    segments: RwLock<Arc<Vec<Arc<Segment>>>>,
    files: Mutex<VecDeque<(PathBuf, Arc<File>)>>,
}

impl Chain {
    /// Finds the sealed segments, and the first position of the last one, which is for recovery to open. A summary
    /// that is missing is made anew.
    pub(crate) fn open(
        dir: PathBuf,
        incarnation: Incarnation,
    ) -> Result<(Self, Option<Position>), OpenError> {
        let firsts = segment::firsts(&dir)?;
        let last = firsts.last().copied();
        if firsts.first().is_some_and(|first| first.get() != 1) {
            return Err(Damage::file(&dir.join(segment::name(Position::new(1))), "it is missing").into());
        }
        let mut segments = Vec::new();
        for pair in firsts.windows(2) {
            segments.push(Arc::new(sealed(&dir, incarnation, pair[0], pair[1])?));
        }
        let segments = RwLock::new(Arc::new(segments));
        Ok((Self { dir, incarnation, segments, files: Mutex::default() }, last))
    }

    /// The segments as they are now.
    pub(crate) fn list(&self) -> Arc<Vec<Arc<Segment>>> {
        self.segments.read().expect("no holder of the chain's lock panics").clone()
    }

    /// Adds the segment behind the last.
    pub(crate) fn push(&self, segment: Arc<Segment>) {
        let mut segments = self.segments.write().expect("no holder of the chain's lock panics");
        let mut longer = Vec::clone(&segments);
        longer.push(segment);
        *segments = Arc::new(longer);
    }

    /// The segment that holds, or is going to hold, a position.
    pub(crate) fn at(&self, position: Position) -> Option<Arc<Segment>> {
        let segments = self.list();
        let behind = segments.partition_point(|segment| segment.first <= position);
        segments.get(behind.checked_sub(1)?).cloned()
    }

    /// Where the record of a position of this segment begins.
    pub(crate) fn offset(&self, segment: &Segment, position: Position) -> Result<u64, ReadError> {
        match segment.place(position) {
            Some(Place::At(offset)) => Ok(offset),
            Some(Place::Listed(at)) => {
                let path = segment.summary_path();
                let mut bytes = [0; 4];
                let file = self.file(&path).map_err(unavailable(&path))?;
                file.read_exact_at(&mut bytes, at).map_err(unavailable(&path))?;
                Ok(u64::from(u32::from_le_bytes(bytes)))
            }
            None => Err(Damage::file(&segment.path, format!("it does not hold position {position}")).into()),
        }
    }

    /// An open file of the log, for reading.
    pub(crate) fn file(&self, path: &Path) -> io::Result<Arc<File>> {
        let mut files = self.files.lock().expect("no holder of the files' lock panics");
        if let Some((_, file)) = files.iter().find(|(known, _)| known == path) {
            return Ok(file.clone());
        }
        let file = Arc::new(File::open(path)?);
        files.push_back((path.to_owned(), file.clone()));
        if files.len() > OPEN_FILES {
            files.pop_front();
        }
        Ok(file)
    }

    /// No id of version 7 in the sealed segments is greater; `None` if a summary does not say.
    pub(crate) fn newest_id(&self) -> Option<Uuid> {
        let newest = |segment: &Arc<Segment>| segment.summary()?.newest_id;
        self.list().iter().try_fold(Uuid::nil(), |most, segment| Some(most.max(newest(segment)?)))
    }

    /// All bytes of all segments, as far as they are written.
    pub(crate) fn bytes(&self) -> u64 {
        self.list().iter().map(|segment| segment.end()).sum()
    }
}

/// A file that cannot be read now, which says nothing about what is in it.
pub(crate) fn unavailable(path: &Path) -> impl FnOnce(io::Error) -> ReadError {
    move |error| ReadError::Unavailable { reason: format!("{}: {error}", path.display()) }
}

/// The sealed segment between two first positions. One that is damaged does not keep the log from opening: whoever
/// reads it is refused.
fn sealed(
    dir: &Path,
    incarnation: Incarnation,
    first: Position,
    next: Position,
) -> Result<Segment, OpenError> {
    let path = dir.join(segment::name(first));
    let summary = match Summary::read(&path, incarnation, first) {
        Some(summary) => summary,
        None => {
            let length = fs::metadata(&path).map_err(OpenError::io(&path))?.len();
            match seal(&path, incarnation, first, length) {
                Ok(summary) => summary,
                Err(SealError::Io(source)) => return Err(OpenError::io(&path)(source)),
                Err(SealError::Damaged(damage)) => {
                    tracing::error!(%damage, "a sealed segment is damaged and will not be served");
                    return Ok(Segment::damaged(dir, first, next));
                }
            }
        }
    };
    if summary.last.next() == next {
        return Ok(Segment::sealed(dir, summary));
    }
    let missing = format!("positions {} to {} are missing behind it", summary.last.next(), next.get() - 1);
    Err(Damage::file(&path, missing).into())
}
