//! A segment: one file of the log.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{Arc, RwLock},
};

use gesta_core::Position;

use super::summary::Summary;
use crate::OpenError;

/// One file of the log and where its records are.
pub(crate) struct Segment {
    /// The position of its first record.
    pub(crate) first: Position,
    /// The file.
    pub(crate) path: PathBuf,
    body: RwLock<Body>,
}

struct Body {
    offsets: Offsets,
    /// Where the last group ends.
    end: u64,
    records: u64,
    summary: Option<Arc<Summary>>,
}

/// Where the record frames of a segment begin.
enum Offsets {
    /// One for each record: of the open segment, and of a sealed one until its summary is written.
    Memory(Vec<u32>),
    /// In the summary's file.
    Disk,
}

/// What is known of a record's place.
pub(crate) enum Place {
    /// At this offset.
    At(u64),
    /// The summary's file says, at this offset of it.
    Listed(u64),
}

impl Segment {
    /// A segment whose records were found by a scan, or are about to be written.
    pub(crate) fn open(dir: &Path, first: Position, offsets: Vec<u32>, end: u64) -> Self {
        let records = offsets.len() as u64;
        let body = Body { offsets: Offsets::Memory(offsets), end, records, summary: None };
        Self { first, path: dir.join(name(first)), body: RwLock::new(body) }
    }

    /// A sealed segment that has its summary.
    pub(crate) fn sealed(dir: &Path, summary: Summary) -> Self {
        let first = summary.first;
        let body = Body {
            offsets: Offsets::Disk,
            end: summary.bytes,
            records: summary.records(),
            summary: Some(Arc::new(summary)),
        };
        Self { first, path: dir.join(name(first)), body: RwLock::new(body) }
    }

    /// A sealed segment that is not what was written: it holds its positions and serves none.
    pub(crate) fn damaged(dir: &Path, first: Position, next: Position) -> Self {
        let records = next.get() - first.get();
        let body = Body { offsets: Offsets::Disk, end: 0, records, summary: None };
        Self { first, path: dir.join(name(first)), body: RwLock::new(body) }
    }

    /// Adds the records of a group that is on disk.
    pub(crate) fn grow(&self, offsets: &[u32], end: u64) {
        let mut body = self.body.write().expect("no holder of a segment's lock panics");
        if let Offsets::Memory(known) = &mut body.offsets {
            known.extend_from_slice(offsets);
        }
        body.records += offsets.len() as u64;
        body.end = end;
    }

    /// Gives the memory for offsets back: they are in the summary's file now.
    pub(crate) fn summarise(&self, summary: Summary) {
        let mut body = self.body.write().expect("no holder of a segment's lock panics");
        body.offsets = Offsets::Disk;
        body.summary = Some(Arc::new(summary));
    }

    /// What it holds, once it is sealed and somebody has looked.
    pub(crate) fn summary(&self) -> Option<Arc<Summary>> {
        self.body().summary.clone()
    }

    /// Where the last group ends, in bytes.
    pub(crate) fn end(&self) -> u64 {
        self.body().end
    }

    /// The position of its last record; the one before its first if it has none.
    pub(crate) fn last(&self) -> Position {
        Position::new(self.first.get() - 1 + self.body().records)
    }

    /// Where the record at `position` is, if this segment holds it.
    pub(crate) fn place(&self, position: Position) -> Option<Place> {
        let body = self.body();
        let at = position.get().checked_sub(self.first.get()).filter(|at| *at < body.records)?;
        Some(match (&body.offsets, &body.summary) {
            (Offsets::Memory(offsets), _) => Place::At(u64::from(*offsets.get(at as usize)?)),
            (Offsets::Disk, Some(summary)) => Place::Listed(summary.offset_place(at)),
            (Offsets::Disk, None) => return None,
        })
    }

    /// Where its summary is, or is going to be.
    pub(crate) fn summary_path(&self) -> PathBuf {
        self.path.with_extension("summary")
    }

    fn body(&self) -> std::sync::RwLockReadGuard<'_, Body> {
        self.body.read().expect("no holder of a segment's lock panics")
    }
}

/// The file name of the segment that begins at `first`.
pub(crate) fn name(first: Position) -> String {
    format!("{:020}.events", first.get())
}

/// The first positions of the segments in a folder, in order.
pub(crate) fn firsts(dir: &Path) -> Result<Vec<Position>, OpenError> {
    let mut firsts = Vec::new();
    for entry in fs::read_dir(dir).map_err(OpenError::io(dir))? {
        let entry = entry.map_err(OpenError::io(dir))?;
        firsts.extend(entry.file_name().to_str().and_then(first_of));
    }
    firsts.sort_unstable();
    Ok(firsts)
}

/// The first position of the segment of this file name.
pub(crate) fn first_of(name: &str) -> Option<Position> {
    let digits = name.strip_suffix(".events").filter(|digits| digits.len() == 20)?;
    digits.parse().ok().filter(|first| *first > 0).map(Position::new)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_says_the_first_position() {
        assert_eq!(name(Position::new(17)), "00000000000000000017.events");
        assert_eq!(first_of(&name(Position::new(17))), Some(Position::new(17)));
        for other in
            ["next.events", "17.events", "00000000000000000017.summary", "00000000000000000000.events"]
        {
            assert_eq!(first_of(other), None, "{other}");
        }
    }
}
