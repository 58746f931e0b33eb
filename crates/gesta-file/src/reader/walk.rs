//! Walks the segments of a log that somebody else may be writing.

use std::{
    fs::File,
    path::{Path, PathBuf},
};

use bytes::Bytes;
use gesta_core::{EnvelopeDecoder, Incarnation, Position, ReadError, RecordedEvent};

use crate::{
    Damage, OpenError,
    log::{
        chain::unavailable,
        frame::FRAME,
        header::{HEADER, Header},
        scan::{Beside, Records, Rest, WholeGroup, read_up_to, rest},
        segment::{firsts, name},
    },
};

/// The log of a folder.
pub(super) struct Log {
    /// Where the segments are.
    pub(super) dir: PathBuf,
    pub(super) incarnation: Incarnation,
    /// It cannot end before this position.
    pub(super) vouched: Position,
}

/// Where the next group stands, or is going to.
#[derive(Debug, Clone)]
pub(super) struct Place {
    /// The segment's first position.
    first: Position,
    offset: u64,
    /// The position of the group's first record.
    pub(super) next: Position,
}

impl Place {
    fn begin(first: Position) -> Self {
        Self { first, offset: HEADER as u64, next: first }
    }
}

impl Log {
    /// The start of the segment that holds `position`, or would.
    pub(super) fn find(&self, position: Position) -> Result<Place, ReadError> {
        let firsts = self.firsts()?;
        let behind = firsts.partition_point(|first| *first <= position.max(Position::new(1)));
        match behind.checked_sub(1).map(|at| firsts[at]) {
            Some(first) => Ok(Place::begin(first)),
            None if firsts.is_empty() && self.vouched == Position::START => {
                Ok(Place::begin(Position::new(1)))
            }
            None => Err(Damage::file(&self.dir.join(name(Position::new(1))), "it is missing").into()),
        }
    }

    /// Hands over whole groups from `place` on until there are no more or `take` says so, and moves `place` behind them.
    pub(super) fn walk(
        &self,
        place: &mut Place,
        mut take: impl FnMut(&WholeGroup<'_>) -> Result<bool, ReadError>,
    ) -> Result<(), ReadError> {
        loop {
            // Listed first: with one behind it, a segment is complete when it is walked.
            let behind = self.firsts()?.into_iter().find(|first| place.first < *first);
            if self.walk_segment(place, behind.is_none(), &mut take)? {
                return Ok(());
            }
            match behind {
                Some(first) if first == place.next => *place = Place::begin(first),
                Some(first) => {
                    let reason =
                        format!("positions {} to {} are missing before it", place.next, first.get() - 1);
                    return Err(Damage::file(&self.dir.join(name(first)), reason).into());
                }
                None if place.next <= self.vouched => {
                    let (head, vouched) = (place.next.get() - 1, self.vouched);
                    let reason = format!("it ends at {head}, but meta vouches for {vouched}");
                    return Err(Damage::file(&self.dir, reason).into());
                }
                None => return Ok(()),
            }
        }
    }

    /// Makes what was read durable: the writer may not have synced its last group yet, and what is read shall not be
    /// missing after a power cut. Segments with another behind them are.
    pub(super) fn sync(&self, place: &Place) -> Result<(), ReadError> {
        let path = self.dir.join(name(place.first));
        File::open(&path).and_then(|file| file.sync_data()).map_err(unavailable(&path))
    }

    fn firsts(&self) -> Result<Vec<Position>, ReadError> {
        firsts(&self.dir).map_err(refused)
    }

    /// Whether `take` has had enough before the segment's end.
    fn walk_segment(
        &self,
        place: &mut Place,
        is_last: bool,
        take: &mut impl FnMut(&WholeGroup<'_>) -> Result<bool, ReadError>,
    ) -> Result<bool, ReadError> {
        let path = self.dir.join(name(place.first));
        let file = match File::open(&path) {
            // A log without an event.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && is_last => {
                return Ok(false);
            }
            opened => opened.map_err(unavailable(&path))?,
        };
        if place.offset == HEADER as u64 && !self.is_begun(&file, &path, place.first, is_last)? {
            return Ok(false);
        }
        let beside = Beside { file: &file, path: &path, incarnation: self.incarnation, is_last };
        let io = |error| unavailable(&path)(error);
        beside.walk((&mut place.offset, &mut place.next), io, take)
    }

    /// Whether a segment has its header. The last one may be prepared, or torn, and hold nothing.
    fn is_begun(&self, file: &File, path: &Path, first: Position, is_last: bool) -> Result<bool, ReadError> {
        let mut header = [0; HEADER];
        read_up_to(file, &mut header, 0).map_err(unavailable(path))?;
        match (Header { incarnation: self.incarnation, first }).check(&header, path) {
            Ok(()) => Ok(true),
            Err(OpenError::Damaged(damage)) if is_last => {
                let behind = rest(file, path, self.incarnation, HEADER as u64).map_err(unavailable(path))?;
                if behind == Rest::Torn(HEADER as u64) { Ok(false) } else { Err(damage.into()) }
            }
            Err(error) => Err(refused(error)),
        }
    }
}

/// Adds the events of a group that stand behind `after`.
pub(super) fn events(
    group: &WholeGroup<'_>,
    after: Position,
    found: &mut Vec<RecordedEvent>,
) -> Result<(), ReadError> {
    let page = Bytes::copy_from_slice(group.frames);
    let mut decoder = EnvelopeDecoder::default();
    let mut at = 0;
    for (position, record) in (group.first.get()..).zip(Records::of(group.frames)) {
        let damaged =
            |reason: String| ReadError::from(Damage { place: format!("position {position}"), reason });
        let length = record.map_err(|error| damaged(error.to_string()))?.frame.len();
        if after.get() < position {
            let event = decoder.decode(&page, at + FRAME..at + length);
            found.push(event.map_err(|error| damaged(error.to_string()))?);
        }
        at += length;
    }
    Ok(())
}

/// What keeps a folder from being opened keeps it from being read.
fn refused(error: OpenError) -> ReadError {
    match error {
        OpenError::Damaged(damage) => damage.into(),
        other => ReadError::Unavailable { reason: other.to_string() },
    }
}
