//! Copies one segment group by group.

use std::{
    fs::File,
    io::{self, BufWriter, Write},
    path::Path,
};

use gesta_core::{Incarnation, Position};

use super::BackupError;
use crate::{
    Damage,
    log::{
        frame::{self, GROUP, Group},
        header::{HEADER, Header},
        scan::{Beside, Records, Scan, Step, WholeGroup, read_up_to},
        segment::name,
    },
};

/// A segment to be copied.
pub(super) struct Source<'a> {
    /// Where it is.
    pub(super) dir: &'a Path,
    /// The life of the log it was written in.
    pub(super) incarnation: Incarnation,
    /// Its first position, and so its name.
    pub(super) first: Position,
    /// Somebody may be writing it.
    pub(super) is_last: bool,
}

impl Source<'_> {
    /// Copies its whole groups into a new file, as groups of the life `incarnation`; every record stays as it is.
    /// Returns the position that comes behind.
    pub(super) fn copy(&self, to: &Path, incarnation: Incarnation) -> Result<Position, BackupError> {
        let path = self.dir.join(name(self.first));
        let io = || BackupError::io(&path);
        let file = File::open(&path).map_err(io())?;
        let target = || BackupError::io(to);
        let mut out = BufWriter::with_capacity(1 << 20, File::create_new(to).map_err(target())?);
        let mut header = [0; HEADER];
        read_up_to(&file, &mut header, 0).map_err(io())?;
        if self.is_last && header == [0; HEADER] {
            // Prepared, and not begun.
            return Ok(self.first);
        }
        Header { incarnation: self.incarnation, first: self.first }.check(&header, &path)?;
        let (end, next) = self.whole(&file, &path)?;
        // What the writer has not synced yet shall not be in a backup and missing in the log after a power cut.
        file.sync_data().map_err(io())?;
        out.write_all(&Header { incarnation, first: self.first }.encode()).map_err(target())?;
        let mut scan = Scan::of(&file, self.incarnation, self.first, end);
        while scan.offset() < end {
            match scan.step().map_err(io())? {
                Step::Group(group) => write(&mut out, &group, incarnation).map_err(target())?,
                _ => return Err(Damage::file(&path, "it has changed while it was copied").into()),
            }
        }
        let file = out.into_inner().map_err(|error| BackupError::io(to)(error.into_error()))?;
        file.sync_all().map_err(target())?;
        Ok(next)
    }

    /// Where its whole groups end, and the position that comes behind them.
    fn whole(&self, file: &File, path: &Path) -> Result<(u64, Position), BackupError> {
        let beside = Beside { file, path, incarnation: self.incarnation, is_last: self.is_last };
        let (mut end, mut next) = (HEADER as u64, self.first);
        beside.walk((&mut end, &mut next), |error| BackupError::io(path)(error), |_| Ok(true))?;
        Ok((end, next))
    }
}

/// Writes a group as one of another life: its checksum is seeded with that, its records are as they were.
fn write(out: &mut impl Write, group: &WholeGroup<'_>, incarnation: Incarnation) -> io::Result<()> {
    let records = u32::try_from(Records::of(group.frames).count()).map_err(io::Error::other)?;
    let extent = u32::try_from(group.frames.len()).map_err(io::Error::other)?;
    let mut start = [0; GROUP];
    frame::write_group(&mut start, Group { first: group.first, records, extent }, incarnation, group.at);
    out.write_all(&start)?;
    out.write_all(group.frames)
}
