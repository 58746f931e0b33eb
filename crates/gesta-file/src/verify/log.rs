//! Reads every byte of the log.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
};

use bytes::Bytes;
use gesta_core::{Incarnation, Position, RecordedEvent, decode_envelope};

use super::{Progress, Report};
use crate::{
    Damage, OpenError,
    index::Digest,
    log::{
        follow,
        header::{HEADER, Header},
        recover,
        scan::{Records, Rest, Scan, Step, list, read_up_to, rest},
        segment,
        summary::{Summary, hash},
    },
};

/// A log to be read.
pub(super) struct Reading {
    pub(super) dir: PathBuf,
    pub(super) incarnation: Incarnation,
    /// Whether it was stopped cleanly, so that nothing can be torn.
    pub(super) clean: bool,
}

/// What the log comes to.
pub(super) struct Walked {
    /// The position of its last event.
    pub(super) head: Position,
    /// Of all its events.
    pub(super) digest: Digest,
    /// Of those up to the index's watermark.
    pub(super) up_to_watermark: Digest,
}

/// The life of a log that has lost its `meta`: what the header of its first segment says.
pub(super) fn incarnation_of(log: &Path) -> Option<Incarnation> {
    let first = *segment::firsts(log).ok()?.first()?;
    let path = log.join(segment::name(first));
    let mut bytes = [0; HEADER];
    read_up_to(&File::open(&path).ok()?, &mut bytes, 0).ok()?;
    let incarnation = Incarnation::from_bytes(bytes[16..32].try_into().expect("sixteen bytes"));
    Header { incarnation, first }.check(&bytes, &path).ok().map(|()| incarnation)
}

impl Reading {
    /// Reads all of it, and keeps sums to compare an index with that goes up to `watermark`.
    pub(super) fn check(
        &self,
        watermark: Position,
        progress: &mut dyn FnMut(Progress),
        report: &mut Report,
    ) -> Result<Walked, OpenError> {
        let (mut digest, mut up_to_watermark) = (Digest::default(), Digest::default());
        let mut take = |event: &RecordedEvent| {
            let entry = follow::entry(event);
            digest.add(&entry);
            if event.position <= watermark {
                up_to_watermark.add(&entry);
            }
        };
        let head = self.walk("reading the log", progress, report, &mut take)?;
        Ok(Walked { head, digest, up_to_watermark })
    }

    /// Reads all events again, after the log itself was checked.
    pub(super) fn again(
        &self,
        part: &'static str,
        progress: &mut dyn FnMut(Progress),
        take: &mut dyn FnMut(&RecordedEvent),
    ) -> Result<(), OpenError> {
        self.walk(part, progress, &mut Report::default(), take).map(|_| ())
    }

    /// Reads segment by segment, tells `take` every event and `report` everything wrong, and returns the last position.
    fn walk(
        &self,
        part: &'static str,
        progress: &mut dyn FnMut(Progress),
        report: &mut Report,
        take: &mut dyn FnMut(&RecordedEvent),
    ) -> Result<Position, OpenError> {
        let firsts = match segment::firsts(&self.dir) {
            Ok(firsts) => firsts,
            Err(error) => {
                report.find("log", error);
                return Ok(Position::START);
            }
        };
        let size = |first: &Position| {
            fs::metadata(self.dir.join(segment::name(*first))).map_or(0, |meta| meta.len())
        };
        let total = firsts.iter().map(size).sum();
        let (mut next, mut done) = (Position::new(1), 0);
        for (nth, first) in firsts.iter().enumerate() {
            progress(Progress { part, done, total });
            if *first != next {
                let reason =
                    format!("positions {next} to {} are missing before it", first.get().saturating_sub(1));
                report.find(segment::name(*first), reason);
            }
            let is_last = nth + 1 == firsts.len();
            let mut one = OneSegment { reading: self, first: *first, is_last, report, take };
            next = one.read()?;
            if !is_last && next > firsts[nth + 1] {
                one.report.find(segment::name(*first), "it goes on into the next segment");
            }
            done += size(first);
            report.segments += 1;
        }
        progress(Progress { part, done, total });
        Ok(Position::new(next.get() - 1))
    }
}

/// The reading of one segment.
struct OneSegment<'a> {
    reading: &'a Reading,
    first: Position,
    is_last: bool,
    report: &'a mut Report,
    take: &'a mut dyn FnMut(&RecordedEvent),
}

impl OneSegment<'_> {
    /// Reads the segment and returns the position that comes behind it.
    fn read(&mut self) -> Result<Position, OpenError> {
        let incarnation = self.reading.incarnation;
        let path = self.reading.dir.join(segment::name(self.first));
        let io = || OpenError::io(&path);
        let file = File::open(&path).map_err(io())?;
        let size = file.metadata().map_err(io())?.len();
        let mut header = [0; HEADER];
        read_up_to(&file, &mut header, 0).map_err(io())?;
        if let Err(error) = (Header { incarnation, first: self.first }).check(&header, &path) {
            return self.without_a_header(error, &file, &path);
        }
        let mut scan = Scan::of(&file, incarnation, self.first, size);
        let mut offsets = Vec::new();
        let broken = loop {
            match scan.step().map_err(io())? {
                Step::Group(group) => {
                    list(group.at, group.frames, &mut offsets);
                    self.records(&path, group.at, group.frames);
                }
                Step::Blank => break None,
                Step::Broken(broken) => break Some(broken.reason),
            }
        };
        let (end, mut next) = (scan.offset(), scan.expected());
        self.report.bytes += end;
        if self.is_last && !self.reading.clean {
            next = self.torn_or_damaged(next)?;
        } else if let Some(reason) = broken {
            self.damaged(&Damage::range(&path, end, size, reason));
        } else {
            match rest(&file, &path, incarnation, end).map_err(io())? {
                Rest::GroupAt(at) => self.damaged(&Damage::range(&path, end, at, "zeros where a group was")),
                Rest::Torn(dirty) if dirty > end => {
                    self.damaged(&Damage::range(
                        &path,
                        end,
                        dirty,
                        "bytes nobody wrote behind the last group",
                    ));
                }
                Rest::Torn(_) => {}
            }
        }
        if !self.is_last {
            self.summary(&file, &path, next, end, &offsets)?;
        }
        Ok(next)
    }

    /// Takes the events of a group whose frames are whole.
    fn records(&mut self, path: &Path, at: u64, frames: &[u8]) {
        for record in Records::of(frames).flatten() {
            match decode_envelope(Bytes::copy_from_slice(record.envelope())) {
                Ok(event) => {
                    self.report.events += 1;
                    (self.take)(&event);
                }
                Err(error) => {
                    let end = at + frames.len() as u64;
                    let reason = format!("position {}: {error}", record.position());
                    self.damaged(&Damage::range(path, at, end, reason));
                }
            }
        }
    }

    /// A crash may have left a last segment nobody wrote to.
    fn without_a_header(
        &mut self,
        error: OpenError,
        file: &File,
        path: &Path,
    ) -> Result<Position, OpenError> {
        let behind =
            rest(file, path, self.reading.incarnation, HEADER as u64).map_err(OpenError::io(path))?;
        if !self.is_last || self.reading.clean || behind != Rest::Torn(HEADER as u64) {
            self.report.find(segment::name(self.first), error);
        }
        Ok(self.first)
    }

    /// What stands behind the last whole group of a log that was not stopped cleanly.
    fn torn_or_damaged(&mut self, whole: Position) -> Result<Position, OpenError> {
        match recover::find(&self.reading.dir, self.first, self.reading.incarnation) {
            Ok(found) => {
                self.report.torn_bytes += found.torn_bytes();
                Ok(Position::new(self.first.get() + found.offsets.len() as u64))
            }
            Err(OpenError::Damaged(damage)) => {
                self.damaged(&damage);
                Ok(whole)
            }
            Err(other) => Err(other),
        }
    }

    /// Adds what is wrong with a range of the segment.
    fn damaged(&mut self, damage: &Damage) {
        self.report.find(&damage.place, format!("{}; put it back from a backup", damage.reason));
    }

    /// The summary of a sealed segment. None is no damage: it is made anew.
    fn summary(
        &mut self,
        file: &File,
        path: &Path,
        next: Position,
        end: u64,
        offsets: &[u32],
    ) -> Result<(), OpenError> {
        let place = path.with_extension("summary");
        let io = || OpenError::io(&place);
        if !place.exists() {
            return Ok(());
        }
        let mut wrong = |reason: &str| {
            self.report
                .find(place.display(), format!("{reason}; delete it, it is made anew at the next start"));
        };
        let Some(summary) = Summary::read(path, self.reading.incarnation, self.first) else {
            wrong("its head is not what was written");
            return Ok(());
        };
        if summary.last.next() != next || summary.bytes != end {
            wrong("it says another extent than its segment has");
            return Ok(());
        }
        if summary.hash != hash(file, end).map_err(io())? {
            wrong("its hash is not the segment's");
        }
        let mut listed = vec![0; offsets.len() * 4];
        let read = read_up_to(&File::open(&place).map_err(io())?, &mut listed, summary.offset_place(0));
        let same = listed.chunks_exact(4).zip(offsets).all(|(listed, offset)| listed == offset.to_le_bytes());
        if read.map_err(io())? != listed.len() || !same {
            wrong("its offsets are not where records begin");
        }
        Ok(())
    }
}
