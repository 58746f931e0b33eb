//! Walks a segment group by group and checks everything on the way.

use std::{fs::File, io, os::unix::fs::FileExt, path::Path};

use gesta_core::{Incarnation, Position};
use uuid::Uuid;

use super::{
    frame::{self, FRAME, GROUP, Head, MAX_GROUP, u64_at},
    header::HEADER,
};
use crate::Damage;

/// How much is read at once.
const WINDOW: usize = 1 << 20;

/// A walk over the groups of one segment, from its header on.
pub(crate) struct Scan<'f> {
    file: &'f File,
    incarnation: Incarnation,
    /// Nothing is read from here on.
    until: u64,
    window: Vec<u8>,
    window_at: u64,
    next: u64,
    expected: Position,
}

/// What stands at the next place.
pub(crate) enum Step<'a> {
    /// A whole group.
    Group(WholeGroup<'a>),
    /// Space nobody wrote to, or the end of what may be read.
    Blank,
    /// Neither.
    Broken(Broken),
}

/// A group whose every byte is as it was written.
pub(crate) struct WholeGroup<'a> {
    /// Where it begins in its segment.
    pub(crate) at: u64,
    /// The position of its first record.
    pub(crate) first: Position,
    /// Its record frames.
    pub(crate) frames: &'a [u8],
}

/// A group that is not as it was written.
#[derive(Debug)]
pub(crate) struct Broken {
    pub(crate) reason: &'static str,
    /// Its whole batches from the start: how many records, in how many bytes.
    pub(crate) whole: (u32, usize),
    /// A crash cannot have done this: the group is whole in itself and does not belong here.
    pub(crate) foreign: bool,
}

impl<'f> Scan<'f> {
    /// A walk from the first group of a segment, up to `until`, the length of its file or the end of its groups.
    pub(crate) fn of(file: &'f File, incarnation: Incarnation, first: Position, until: u64) -> Self {
        Self::at(file, incarnation, (HEADER as u64, first), until)
    }

    /// The same from the group on that begins at this offset with this position.
    pub(crate) fn at(
        file: &'f File,
        incarnation: Incarnation,
        (next, expected): (u64, Position),
        until: u64,
    ) -> Self {
        Self { file, incarnation, until, window: Vec::new(), window_at: 0, next, expected }
    }

    /// Where the next group begins.
    pub(crate) fn offset(&self) -> u64 {
        self.next
    }

    /// The position that comes next.
    pub(crate) fn expected(&self) -> Position {
        self.expected
    }

    /// Goes to the next group. After anything but a group it stays where it is.
    pub(crate) fn step(&mut self) -> io::Result<Step<'_>> {
        let (at, first) = (self.next, self.expected);
        let Some(start) = self.bytes(at, GROUP)?.first_chunk::<GROUP>().copied() else {
            let rest = self.bytes(at, (self.until - at) as usize)?;
            return Ok(if rest.iter().all(|byte| *byte == 0) {
                Step::Blank
            } else {
                broken("it is cut short")
            });
        };
        match frame::head(start.first_chunk().expect("a group is longer than a frame")) {
            Ok(Head::Blank) => return Ok(Step::Blank),
            Ok(Head::Group) => {}
            _ => return Ok(broken("no group begins where one should")),
        }
        let Ok(group) = frame::group(&start, self.incarnation, at) else {
            return Ok(broken("the checksum of a group does not match"));
        };
        if group.first != first || group.extent as usize > MAX_GROUP {
            return Ok(Step::Broken(Broken {
                reason: "a group is of another place",
                whole: (0, 0),
                foreign: true,
            }));
        }
        let available = self.bytes(at + GROUP as u64, group.extent as usize)?;
        let checked = check(available, first);
        if checked.bytes == group.extent as usize
            && checked.records == group.records
            && checked.ends_a_batch()
        {
            let (bytes, records) = (checked.bytes, u64::from(checked.records));
            self.next = at + (GROUP + bytes) as u64;
            self.expected = Position::new(first.get() + records);
            let from = (at + GROUP as u64 - self.window_at) as usize;
            return Ok(Step::Group(WholeGroup { at, first, frames: &self.window[from..from + bytes] }));
        }
        let reason = checked.reason.unwrap_or("a group holds other records than it says");
        Ok(Step::Broken(Broken { reason, whole: checked.whole, foreign: false }))
    }

    /// The bytes at `at`, as many as there are up to `length`.
    fn bytes(&mut self, at: u64, length: usize) -> io::Result<&[u8]> {
        let length = length.min(usize::try_from(self.until.saturating_sub(at)).unwrap_or(usize::MAX));
        let end = self.window_at + self.window.len() as u64;
        if at < self.window_at || end < at + length as u64 {
            let most = usize::try_from(self.until - at).unwrap_or(usize::MAX);
            self.window.resize(length.max(WINDOW).min(most), 0);
            let read = read_up_to(self.file, &mut self.window, at)?;
            self.window.truncate(read);
            self.window_at = at;
        }
        let from = (at - self.window_at) as usize;
        Ok(&self.window[from..self.window.len().min(from + length)])
    }
}

fn broken(reason: &'static str) -> Step<'static> {
    Step::Broken(Broken { reason, whole: (0, 0), foreign: false })
}

/// How far record frames are as they were written.
struct Checked {
    records: u32,
    bytes: usize,
    /// Up to the end of the last whole batch.
    whole: (u32, usize),
    reason: Option<&'static str>,
}

impl Checked {
    fn ends_a_batch(&self) -> bool {
        self.whole.1 == self.bytes
    }
}

fn check(frames: &[u8], first: Position) -> Checked {
    let mut checked = Checked { records: 0, bytes: 0, whole: (0, 0), reason: None };
    for record in Records::of(frames) {
        let Ok(record) = record else {
            checked.reason = Some("a record is not what was written");
            break;
        };
        if record.position() != first.get() + u64::from(checked.records) {
            checked.reason = Some("a record is of another position");
            break;
        }
        checked.records += 1;
        checked.bytes += record.frame.len();
        if record.last_of_batch {
            checked.whole = (checked.records, checked.bytes);
        }
    }
    checked
}

/// One record frame.
pub(crate) struct Record<'a> {
    /// All of it.
    pub(crate) frame: &'a [u8],
    pub(crate) last_of_batch: bool,
}

impl<'a> Record<'a> {
    /// The canonical envelope.
    pub(crate) fn envelope(&self) -> &'a [u8] {
        &self.frame[FRAME..]
    }

    /// The id the envelope names, if it is long enough to.
    pub(crate) fn id(&self) -> Option<Uuid> {
        let mut rest = self.envelope().get(17..)?;
        for _ in ["tenant", "stream"] {
            let (length, behind) = rest.split_first_chunk()?;
            rest = behind.get(u32::from_le_bytes(*length) as usize..)?;
        }
        rest.first_chunk().map(|bytes| Uuid::from_bytes(*bytes))
    }

    /// The position the envelope names, 0 if it is too short to.
    pub(crate) fn position(&self) -> u64 {
        if self.frame.len() < FRAME + 9 { 0 } else { u64_at(self.frame, FRAME + 1) }
    }
}

/// The record frames in a run of bytes, each with its checksum compared; ends after the first that is not whole.
pub(crate) struct Records<'a> {
    rest: &'a [u8],
}

impl<'a> Records<'a> {
    pub(crate) fn of(frames: &'a [u8]) -> Self {
        Self { rest: frames }
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = Result<Record<'a>, frame::FrameError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let rest = std::mem::take(&mut self.rest);
        let head = match rest.first_chunk().map(frame::head) {
            Some(Ok(Head::Record { length, last_of_batch })) => (length, last_of_batch),
            _ => return Some(Err(frame::FrameError::Head)),
        };
        let (length, last_of_batch) = head;
        let Some((frame, behind)) = rest.split_at_checked(FRAME + length) else {
            return Some(Err(frame::FrameError::Head));
        };
        if let Err(error) = frame::check_record(frame) {
            return Some(Err(error));
        }
        self.rest = behind;
        Some(Ok(Record { frame, last_of_batch }))
    }
}

/// Adds where the records of the group at `at` begin.
pub(crate) fn list(at: u64, frames: &[u8], offsets: &mut Vec<u32>) {
    let mut offset = at + GROUP as u64;
    for record in Records::of(frames).flatten() {
        offsets.push(u32::try_from(offset).expect("segments are smaller than 4 GiB"));
        offset += record.frame.len() as u64;
    }
}

/// Fills `bytes` from `offset` as far as the file goes.
pub(crate) fn read_up_to(file: &File, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut filled = 0;
    while filled < bytes.len() {
        match file.read_at(&mut bytes[filled..], offset + filled as u64) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// A writer may complete a group while it is looked at; so often is looked again.
const LOOKS: usize = 5;

/// A segment that somebody may be writing.
pub(crate) struct Beside<'a> {
    pub(crate) file: &'a File,
    pub(crate) path: &'a Path,
    pub(crate) incarnation: Incarnation,
    /// Whether there is no other behind it: only that one may be torn.
    pub(crate) is_last: bool,
}

impl Beside<'_> {
    /// Hands over the whole groups from a place on, an offset with its position, until there are no more or `take` has had
    /// enough, and moves the place behind them. Answers whether `take` has had enough. Anything behind them that no
    /// crash can have left is refused.
    pub(crate) fn walk<E: From<Damage>>(
        &self,
        (offset, next): (&mut u64, &mut Position),
        io: impl Fn(io::Error) -> E,
        mut take: impl FnMut(&WholeGroup<'_>) -> Result<bool, E>,
    ) -> Result<bool, E> {
        let Self { file, path, incarnation, is_last } = *self;
        let mut looks = 0;
        loop {
            let begun = *offset;
            let length = file.metadata().map_err(&io)?.len();
            let mut scan = Scan::at(file, incarnation, (*offset, *next), length);
            let (broken, reason) = loop {
                let goes_on = match scan.step().map_err(&io)? {
                    Step::Group(group) => take(&group)?,
                    Step::Blank => break (0, "bytes nobody wrote"),
                    Step::Broken(broken) => break (1, broken.reason),
                };
                (*offset, *next) = (scan.offset(), scan.expected());
                if !goes_on {
                    return Ok(true);
                }
            };
            looks = if begun < *offset { 1 } else { looks + 1 };
            // Behind the first byte of a torn group, whose frame may be whole.
            match rest(file, path, incarnation, *offset + broken).map_err(&io)? {
                Rest::Torn(dirty) if is_last || dirty == *offset => return Ok(false),
                Rest::Torn(dirty) => return Err(Damage::range(path, *offset, dirty, reason).into()),
                // The writer was faster than the look, or it is damage, and then it stays.
                Rest::GroupAt(at) if !is_last || looks == LOOKS => {
                    return Err(Damage::range(path, *offset, at, reason).into());
                }
                Rest::GroupAt(_) => {}
            }
        }
    }
}

/// What stands behind the last group that is whole.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Rest {
    /// Bytes up to here are not zero: what a torn write left behind. The place itself if there are none.
    Torn(u64),
    /// A whole group: what comes before it was not torn by a crash.
    GroupAt(u64),
}

/// Looks at everything from `at` on. A crash tears the last group only, so a whole group behind tells damage.
pub(crate) fn rest(file: &File, path: &Path, incarnation: Incarnation, at: u64) -> io::Result<Rest> {
    const STEP: usize = 4 << 20;
    let mut bytes = vec![0; STEP];
    let (mut from, mut dirty) = (at, at);
    tracing::trace!(path = %path.display(), at, "looking behind the last whole group");
    while from < dirty + MAX_GROUP as u64 {
        let read = read_up_to(file, &mut bytes, from)?;
        if let Some(found) = frame::find_group(&bytes[..read], incarnation, from) {
            return Ok(Rest::GroupAt(from + found as u64));
        }
        if let Some(last) = bytes[..read].iter().rposition(|byte| *byte != 0) {
            dirty = dirty.max(from + last as u64 + 1);
        }
        if read < STEP {
            break;
        }
        // A group frame may lie across the border of two steps.
        from += (STEP - GROUP) as u64;
    }
    Ok(Rest::Torn(dirty))
}
