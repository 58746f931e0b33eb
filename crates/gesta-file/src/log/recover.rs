//! Opens the last segment, whatever state a crash left it in.
//!
//! The writer begins no group before the last one's sync has returned, so a crash tears the last group only. It is
//! cut back to the end of its last whole batch. Everything else that is not as it was written is damage.

use std::{
    fs::{File, OpenOptions},
    os::unix::fs::FileExt,
    path::Path,
};

use gesta_core::{Incarnation, Position};
use uuid::Uuid;

use super::{
    frame::{self, GROUP, Group},
    header::{HEADER, Header},
    scan::{Records, Rest, Scan, Step, list, read_up_to, rest},
    segment,
    tail::is_ordered,
};
use crate::{Damage, OpenError, planted::armed};

/// The open segment as it was found.
pub(crate) struct Found {
    pub(crate) file: File,
    /// Its length; everything behind `end` is zero once it is repaired.
    pub(crate) size: u64,
    /// Where each record begins.
    pub(crate) offsets: Vec<u32>,
    /// No id of version 7 in it is greater.
    pub(crate) newest_id: Uuid,
    /// Where the last whole batch ends.
    pub(crate) end: u64,
    /// The last group, or what is left of it.
    last: Option<Last>,
    /// Bytes from `end` up to here are not zero.
    dirty: u64,
}

struct Last {
    at: u64,
    group: Group,
}

/// Reads the segment that begins at `first` and says how far it is whole. Changes nothing.
pub(crate) fn find(dir: &Path, first: Position, incarnation: Incarnation) -> Result<Found, OpenError> {
    let path = dir.join(segment::name(first));
    let io = || OpenError::io(&path);
    let file = OpenOptions::new().read(true).write(true).open(&path).map_err(io())?;
    let size = file.metadata().map_err(io())?.len();
    let newest_id = Uuid::nil();
    let mut found = Found { file, size, offsets: Vec::new(), newest_id, end: 0, last: None, dirty: 0 };
    if !has_header(&found.file, &path, Header { incarnation, first })? {
        return Ok(found);
    }
    let mut scan = Scan::of(&found.file, incarnation, first, size);
    let stopped = loop {
        let (end, next) = (scan.offset(), scan.expected());
        match scan.step().map_err(io())? {
            Step::Group(group) => {
                let extent = group.frames.len() as u32;
                let before = found.offsets.len();
                list(group.at, group.frames, &mut found.offsets);
                found.newest_id = found.newest_id.max(newest_id_in(group.frames));
                let records = (found.offsets.len() - before) as u32;
                found.last =
                    Some(Last { at: group.at, group: Group { first: group.first, records, extent } });
            }
            Step::Blank => break (end, next, None),
            Step::Broken(broken) => break (end, next, Some(broken)),
        }
    };
    let (end, next, broken) = stopped;
    found.end = end;
    let behind = rest(&found.file, &path, incarnation, end + u64::from(broken.is_some())).map_err(io())?;
    match behind {
        Rest::GroupAt(other) if !armed("damage_cut_as_torn") => {
            let reason = broken.map_or("zeros where a group was", |broken| broken.reason);
            return Err(Damage::range(&path, end, other, reason).into());
        }
        Rest::GroupAt(_) => found.dirty = size,
        Rest::Torn(dirty) => found.dirty = dirty,
    }
    if let Some(broken) = broken {
        if broken.foreign {
            return Err(Damage::range(&path, end, found.dirty, broken.reason).into());
        }
        found.keep_whole_batches(end, next, broken.whole).map_err(io())?;
    }
    Ok(found)
}

/// Whether the segment has its header. A crash may leave a file nobody wrote to, or a header that is torn and
/// nothing behind it: the first group is written only once the header is durable.
fn has_header(file: &File, path: &Path, header: Header) -> Result<bool, OpenError> {
    let io = || OpenError::io(path);
    let mut bytes = [0; HEADER];
    read_up_to(file, &mut bytes, 0).map_err(io())?;
    let Err(refused) = header.check(&bytes, path) else { return Ok(true) };
    if matches!(refused, OpenError::NewerFormat { .. }) {
        return Err(refused);
    }
    match rest(file, path, header.incarnation, HEADER as u64).map_err(io())? {
        Rest::Torn(dirty) if dirty == HEADER as u64 => Ok(false),
        _ => Err(refused),
    }
}

/// The greatest id of version 7 among the records, nil if there is none.
fn newest_id_in(frames: &[u8]) -> Uuid {
    let ids = Records::of(frames).flatten().filter_map(|record| record.id());
    ids.filter(|id| is_ordered(*id)).max().unwrap_or_default()
}

impl Found {
    /// Keeps the whole batches of the torn group at `at`.
    fn keep_whole_batches(&mut self, at: u64, first: Position, whole: (u32, usize)) -> std::io::Result<()> {
        let (records, bytes) = whole;
        self.dirty = self.dirty.max(at + GROUP as u64);
        if records == 0 {
            return Ok(());
        }
        let mut frames = vec![0; bytes];
        self.file.read_exact_at(&mut frames, at + GROUP as u64)?;
        list(at, &frames, &mut self.offsets);
        self.newest_id = self.newest_id.max(newest_id_in(&frames));
        self.last = Some(Last { at, group: Group { first, records, extent: bytes as u32 } });
        self.end = at + (GROUP + bytes) as u64;
        Ok(())
    }

    /// Whether the segment has no header yet, and nothing else.
    pub(crate) fn is_unbegun(&self) -> bool {
        self.end == 0
    }

    /// Writes the header of a segment that has none.
    pub(crate) fn begin(&self, incarnation: Incarnation, first: Position) -> std::io::Result<()> {
        self.file.write_all_at(&Header { incarnation, first }.encode(), 0)?;
        self.file.sync_all()
    }

    /// How many bytes a torn write left behind.
    pub(crate) fn torn_bytes(&self) -> u64 {
        self.dirty.saturating_sub(self.end)
    }

    /// Gives the last group's positions out again, which is a planted bug.
    pub(crate) fn forget_last_group(&mut self) {
        if let Some(last) = self.last.take() {
            self.offsets.truncate(self.offsets.len() - last.group.records as usize);
            self.dirty = self.dirty.max(self.end);
            self.end = last.at;
        }
    }

    /// Makes what was found durable: writes the last group again, zeros behind it, and syncs.
    ///
    /// Reading it back proves nothing: after a failed sync the kernel may hold pages that never reached the disk as
    /// clean, so they are made dirty again before anybody is served from them.
    pub(crate) fn repair(&self, incarnation: Incarnation) -> std::io::Result<()> {
        if self.dirty > self.end {
            // Zeros first: were the group frame there and the zeros not, the rest of a torn group would stand
            // behind a whole one. That is legal as well, so the order is a courtesy to whoever looks at the file.
            zero(&self.file, self.end, self.dirty.min(self.size))?;
        }
        if let Some(Last { at, group }) = &self.last {
            let mut bytes = vec![0; GROUP + group.extent as usize];
            self.file.read_exact_at(&mut bytes, *at)?;
            frame::write_group(&mut bytes, *group, incarnation, *at);
            self.file.write_all_at(&bytes, *at)?;
        }
        self.file.sync_all()
    }
}

/// Writes zeros in slices, so that no write-back is long.
pub(crate) fn zero(file: &File, from: u64, to: u64) -> std::io::Result<()> {
    static ZEROS: [u8; 256 << 10] = [0; 256 << 10];
    let mut at = from;
    while at < to {
        let slice = ZEROS.len().min(usize::try_from(to - at).unwrap_or(usize::MAX));
        file.write_all_at(&ZEROS[..slice], at)?;
        at += slice as u64;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
