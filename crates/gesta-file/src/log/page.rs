//! Reads records, in pages or one by one, and compares every checksum on the way.

use std::{os::unix::fs::FileExt, sync::Arc};

use bytes::Bytes;
use gesta_core::{EnvelopeDecoder, Filter, Position, ReadError, RecordedEvent, decode_envelope};

use super::{
    Log,
    chain::unavailable,
    frame::{self, FRAME, GROUP, Head, u64_at},
    scan::read_up_to,
    segment::Segment,
};
use crate::Damage;

/// What one read asks of a file.
const PAGE: usize = 256 << 10;
/// Records this close to each other are read at once.
const NEAR: u64 = 32 << 10;
/// Read at the place of a single record; most are smaller.
const GUESS: usize = 4 << 10;
/// So many pages without a single event that passes, and the caller gets a chance to stop.
const PATIENT_PAGES: usize = 16;

/// A walk over the log in order of position.
pub(crate) struct Forward {
    next: Position,
    up_to: Position,
    /// Where `next` is, if the last page ended in its segment.
    place: Option<(Arc<Segment>, u64)>,
    page: usize,
    decoder: EnvelopeDecoder,
}

impl Forward {
    /// The events with `after < position ≤ up_to`.
    pub(crate) fn new(after: Position, up_to: Position) -> Self {
        Self { next: after.next(), up_to, place: None, page: PAGE, decoder: EnvelopeDecoder::default() }
    }

    /// Expects few events, so that a short read does not fetch a long page.
    pub(crate) fn few(mut self, events: usize) -> Self {
        self.page = events.saturating_mul(1 << 10).clamp(GUESS, PAGE);
        self
    }

    /// Whether the end is reached.
    pub(crate) fn is_done(&self) -> bool {
        self.up_to < self.next
    }

    /// The next events that pass, without asking a disk; `None` when they are not in memory.
    pub(crate) fn recent(
        &mut self,
        log: &Log,
        filter: &Filter,
    ) -> Option<Result<Vec<RecordedEvent>, ReadError>> {
        let group = log.recent.at(self.next)?;
        let frames = group.from(self.next)?;
        self.place = None;
        let mut found = Vec::new();
        let walked = self.walk(&frames, filter, &mut found);
        Some(walked.map(|_| found).map_err(|reason| damage_in_memory(group.first, reason)))
    }

    /// The next events that pass, possibly none although there is more; a page at least is done.
    pub(crate) fn page(&mut self, log: &Log, filter: &Filter) -> Result<Vec<RecordedEvent>, ReadError> {
        for _ in 0..PATIENT_PAGES {
            if self.is_done() {
                break;
            }
            let found = match self.recent(log, filter) {
                Some(found) => found?,
                None => self.read_disk(log, filter)?,
            };
            if !found.is_empty() {
                return Ok(found);
            }
        }
        Ok(Vec::new())
    }

    /// One page of the segment that holds the next position.
    fn read_disk(&mut self, log: &Log, filter: &Filter) -> Result<Vec<RecordedEvent>, ReadError> {
        let Some((segment, offset)) = self.find(log, filter)? else { return Ok(Vec::new()) };
        let file = log.chain.file(&segment.path).map_err(unavailable(&segment.path))?;
        let most = usize::try_from(segment.end().saturating_sub(offset)).unwrap_or(usize::MAX);
        let mut bytes = vec![0; self.page.min(most)];
        let read = read_up_to(&file, &mut bytes, offset).map_err(unavailable(&segment.path))?;
        if read < bytes.len() {
            let end = offset + bytes.len() as u64;
            return Err(Damage::range(&segment.path, offset + read as u64, end, "it is cut short").into());
        }
        let bytes_read = bytes.len();
        let mut found = Vec::new();
        let before = self.next;
        let walked = self.walk(&bytes.into(), filter, &mut found).map_err(|(at, reason)| {
            let at = offset + at as u64;
            ReadError::from(Damage::range(&segment.path, at, at + FRAME as u64, reason))
        })?;
        if matches!(walked, Walked::Cut { .. }) && bytes_read == most && self.next <= segment.last() {
            let end = offset + most as u64;
            return Err(Damage::range(&segment.path, offset, end, "it ends within a record").into());
        }
        self.page = match walked {
            Walked::Cut { needs, .. } if self.next == before => needs.max(GUESS),
            _ => PAGE,
        };
        let (Walked::All(walked) | Walked::Cut { at: walked, .. }) = walked;
        self.place = Some((segment, offset + walked as u64));
        Ok(found)
    }

    /// The segment and offset of the next position. Steps over segments in which nothing passes.
    fn find(&mut self, log: &Log, filter: &Filter) -> Result<Option<(Arc<Segment>, u64)>, ReadError> {
        if let Some((segment, offset)) = self.place.take()
            && self.next <= segment.last()
        {
            return Ok(Some((segment, offset)));
        }
        while !self.is_done() {
            let Some(segment) = log.chain.at(self.next) else { break };
            if segment.summary().is_some_and(|summary| !summary.may_hold(filter)) {
                self.next = segment.last().next();
                continue;
            }
            let offset = log.chain.offset(&segment, self.next)?;
            return Ok(Some((segment, offset)));
        }
        Ok(None)
    }

    /// Takes the records from `frames` that belong here, as far as they are whole.
    fn walk(
        &mut self,
        frames: &Bytes,
        filter: &Filter,
        found: &mut Vec<RecordedEvent>,
    ) -> Result<Walked, (usize, &'static str)> {
        let mut at = 0;
        let mut kept = 0;
        while !self.is_done() {
            let rest = &frames[at..];
            let Some(start) = rest.first_chunk() else { return Ok(self.cut(at, FRAME, kept, frames, found)) };
            let length = match frame::head(start) {
                Ok(Head::Record { length, .. }) => length,
                Ok(Head::Group) => {
                    at += GROUP;
                    if frames.len() < at {
                        return Ok(self.cut(at - GROUP, GROUP, kept, frames, found));
                    }
                    continue;
                }
                Ok(Head::Blank) => return Err((at, "zeros where a record was")),
                Err(_) => return Err((at, "no record begins where one should")),
            };
            let whole = FRAME + length;
            let Some(frame) = rest.get(..whole) else { return Ok(self.cut(at, whole, kept, frames, found)) };
            check(frame, self.next).map_err(|reason| (at, reason))?;
            let event = self.decoder.decode(frames, at + FRAME..at + whole);
            let event = event.map_err(|_| (at, NO_ENVELOPE))?;
            if filter.accepts(&event) {
                kept += whole;
                found.push(event);
            }
            self.next = self.next.next();
            at += whole;
        }
        compact(found, kept, frames.len());
        Ok(Walked::All(at))
    }

    fn cut(
        &self,
        at: usize,
        needs: usize,
        kept: usize,
        frames: &Bytes,
        found: &mut [RecordedEvent],
    ) -> Walked {
        compact(found, kept, frames.len());
        Walked::Cut { at, needs }
    }
}

/// How far a page was walked.
enum Walked {
    /// All that was asked for was in it, up to here.
    All(usize),
    /// The frame at `at` needs more bytes than were there.
    Cut { at: usize, needs: usize },
}

/// Events are slices of the page they were read with. When few of it passed, a reader that keeps them would keep the
/// page, so they get bytes of their own.
fn compact(found: &mut [RecordedEvent], kept: usize, page: usize) {
    if kept < page / 4 {
        for event in found {
            event.metadata = Bytes::copy_from_slice(&event.metadata);
            event.data = Bytes::copy_from_slice(&event.data);
        }
    }
}

const NO_ENVELOPE: &str = "a record holds no envelope of a known format";

/// Whether a record frame is what was written, and at this position.
fn check(frame: &[u8], position: Position) -> Result<(), &'static str> {
    frame::check_record(frame).map_err(|_| "the checksum of a record does not match")?;
    if frame.len() < FRAME + 9 || u64_at(frame, FRAME + 1) != position.get() {
        return Err("a record is of another position");
    }
    Ok(())
}

/// The event of a record frame, in bytes of its own.
fn read(frame: &[u8], position: Position) -> Result<RecordedEvent, &'static str> {
    check(frame, position)?;
    decode_envelope(Bytes::copy_from_slice(&frame[FRAME..])).map_err(|_| NO_ENVELOPE)
}

/// Memory that is not what was written is as bad as a disk that is not.
fn damage_in_memory(first: Position, (at, reason): (usize, &'static str)) -> ReadError {
    let place = format!("the group at position {first} in memory, byte {at}");
    Damage { place, reason: reason.into() }.into()
}

/// The events with `low ≤ position ≤ high` that pass, oldest first.
pub(crate) fn window(
    log: &Log,
    low: Position,
    high: Position,
    filter: &Filter,
) -> Result<Vec<RecordedEvent>, ReadError> {
    let events = usize::try_from(high.get() + 1 - low.get()).unwrap_or(usize::MAX);
    let mut walk = Forward::new(Position::new(low.get() - 1), high).few(events);
    let mut found = Vec::new();
    while !walk.is_done() {
        found.extend(walk.page(log, filter)?);
    }
    Ok(found)
}

/// The events at these positions, which rise and are all readable.
pub(crate) fn records(log: &Log, positions: &[Position]) -> Result<Vec<RecordedEvent>, ReadError> {
    let mut found = Vec::with_capacity(positions.len());
    let mut rest = positions;
    while let Some(&position) = rest.first() {
        if let Some(frame) = log.recent.at(position).and_then(|group| group.from(position)) {
            let damaged = |reason| damage_in_memory(position, (0, reason));
            let length = record_length(&frame).filter(|length| *length <= frame.len());
            let frame = frame.slice(..length.ok_or_else(|| damaged("no record begins there"))?);
            found.push(read(&frame, position).map_err(damaged)?);
            rest = &rest[1..];
            continue;
        }
        let segment = log.chain.at(position).ok_or_else(|| missing(position))?;
        let mut run = vec![(position, log.chain.offset(&segment, position)?)];
        for &near in &rest[1..] {
            let (_, last) = run[run.len() - 1];
            if segment.last() < near || log.recent.at(near).is_some() {
                break;
            }
            let offset = log.chain.offset(&segment, near)?;
            if offset < last || last + NEAR < offset || run[0].1 + PAGE as u64 <= offset {
                break;
            }
            run.push((near, offset));
        }
        rest = &rest[run.len()..];
        near_records(log, &segment, &run, &mut found)?;
    }
    Ok(found)
}

/// Reads records of one segment that stand close to each other.
fn near_records(
    log: &Log,
    segment: &Segment,
    run: &[(Position, u64)],
    found: &mut Vec<RecordedEvent>,
) -> Result<(), ReadError> {
    let file = log.chain.file(&segment.path).map_err(unavailable(&segment.path))?;
    let (start, last) = (run[0].1, run[run.len() - 1].1);
    let most = usize::try_from(segment.end().saturating_sub(start)).unwrap_or(usize::MAX);
    let mut bytes = vec![0; (usize::try_from(last - start).unwrap_or(0) + GUESS).min(most)];
    let read_bytes = read_up_to(&file, &mut bytes, start).map_err(unavailable(&segment.path))?;
    bytes.truncate(read_bytes);
    for &(position, offset) in run {
        let at = usize::try_from(offset - start).unwrap_or(usize::MAX);
        let damaged = |reason: &str| {
            ReadError::from(Damage::range(&segment.path, offset, offset + FRAME as u64, reason))
        };
        let length =
            bytes.get(at..).and_then(record_length).ok_or_else(|| damaged("no record begins there"))?;
        let mut longer;
        let frame = match bytes.get(at..at + length) {
            Some(frame) => frame,
            None if segment.end() < offset + length as u64 => {
                return Err(damaged("it ends within a record"));
            }
            None => {
                longer = vec![0; length];
                file.read_exact_at(&mut longer, offset).map_err(unavailable(&segment.path))?;
                &longer
            }
        };
        found.push(read(frame, position).map_err(damaged)?);
    }
    Ok(())
}

/// The length of the record frame that begins these bytes.
fn record_length(bytes: &[u8]) -> Option<usize> {
    match frame::head(bytes.first_chunk()?) {
        Ok(Head::Record { length, .. }) => Some(FRAME + length),
        _ => None,
    }
}

fn missing(position: Position) -> ReadError {
    Damage { place: "the log".into(), reason: format!("no segment holds position {position}") }.into()
}
