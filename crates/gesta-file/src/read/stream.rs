//! Reads of one stream.

use std::sync::Arc;

use gesta_core::{Direction, EventStream, Position, ReadError, ReadStream, Version};

use super::{Page, Pages, events};
use crate::log::{Log, page};

/// Events fetched at once.
const RUN: usize = 256;

/// The events of a read, as far as they are readable now.
pub(crate) fn one(log: Arc<Log>, read: ReadStream) -> EventStream {
    let (head, limit) = (log.head(), read.limit);
    events(log, Versions { read, head, tail: None }, limit)
}

struct Versions {
    /// The bounds close in while pages are handed out.
    read: ReadStream,
    head: Position,
    /// What was in the tail when the read began, oldest first.
    tail: Option<Vec<(Version, Position)>>,
}

impl Versions {
    /// The next events of the stream in the order of the read, by version and position.
    fn next(&mut self, log: &Log) -> Result<Vec<(Version, Position)>, ReadError> {
        let (after, up_to) = (self.read.after, self.read.up_to);
        // The tail first: an event may move on to the index meanwhile, never back.
        let tail = match self.tail.take() {
            Some(tail) => tail,
            None => self.look_at_tail(log),
        };
        let run = self.read.limit.min(RUN);
        let indexed_up_to = tail.first().map_or(up_to, |(first, _)| Version::new(first.get() - 1).min(up_to));
        let indexed = |limit| {
            let (tenant, stream) = (&self.read.tenant, &self.read.stream);
            let direction = self.read.direction;
            log.index.stream_positions(tenant, stream, after, indexed_up_to, direction, limit)
        };
        let wanted = |(version, _): &&(Version, Position)| after < *version && *version <= up_to;
        let mut found = match self.read.direction {
            Direction::Forwards if indexed_up_to <= after => Vec::new(),
            Direction::Forwards => indexed(run)?,
            Direction::Backwards => tail.iter().rev().filter(wanted).take(run).copied().collect(),
        };
        match self.read.direction {
            Direction::Forwards if found.len() < run => {
                found.extend(tail.iter().filter(wanted).take(run - found.len()));
            }
            Direction::Backwards if found.len() < run && after < indexed_up_to => {
                found.extend(indexed(run - found.len())?);
            }
            _ => {}
        }
        self.tail = Some(tail);
        Ok(found)
    }

    fn look_at_tail(&self, log: &Log) -> Vec<(Version, Position)> {
        let of = (&self.read.tenant, &self.read.stream);
        log.tail.stream_positions(of, (self.read.after, self.read.up_to), self.head)
    }

    /// The bounds of what is left once these are handed out; `false` if versions are missing among them.
    fn advance(&mut self, found: &[(Version, Position)]) -> bool {
        let (Some((first, _)), Some((last, _))) = (found.first(), found.last()) else { return true };
        let dense = found.windows(2).all(|pair| pair[0].0.get().abs_diff(pair[1].0.get()) == 1);
        match self.read.direction {
            Direction::Forwards => {
                let follows = *first == self.read.after.next();
                self.read.after = *last;
                dense && follows
            }
            Direction::Backwards => {
                self.read.up_to = Version::new(last.get() - 1);
                dense
            }
        }
    }

    fn fetch(&mut self, log: &Log, mut found: Vec<(Version, Position)>) -> Page {
        if !self.advance(&found) {
            return Err(self.disagrees());
        }
        // The index goes on while the read does; what is behind its head is not part of it.
        found.retain(|(_, position)| *position <= self.head);
        let backwards = self.read.direction == Direction::Backwards;
        if backwards {
            found.reverse();
        }
        let positions: Vec<_> = found.iter().map(|(_, position)| *position).collect();
        if !positions.is_sorted_by(|a, b| a < b) {
            return Err(self.disagrees());
        }
        let mut events = page::records(log, &positions)?;
        let agrees = |event: &gesta_core::RecordedEvent, version| {
            event.version == version && event.stream == self.read.stream && event.tenant == self.read.tenant
        };
        if !events.iter().zip(&found).all(|(event, (version, _))| agrees(event, *version)) {
            return Err(self.disagrees());
        }
        if backwards {
            events.reverse();
        }
        Ok(events)
    }

    fn disagrees(&self) -> ReadError {
        let stream = &self.read.stream;
        ReadError::Unavailable {
            reason: format!(
                "the index and the log disagree about stream {stream}: stop the store, remove the folder index, \
                 and start again to have it built anew"
            ),
        }
    }
}

impl Pages for Versions {
    fn quick(&mut self, log: &Log) -> Option<Page> {
        if self.tail.is_some() || self.read.direction == Direction::Backwards {
            return None;
        }
        let tail = self.look_at_tail(log);
        let whole = tail.first().is_some_and(|(first, _)| *first == self.read.after.next());
        let held = whole && log.recent.at(tail[0].1).is_some();
        self.tail = Some(tail);
        held.then(|| self.page(log)).flatten()
    }

    fn page(&mut self, log: &Log) -> Option<Page> {
        if self.read.up_to <= self.read.after {
            return None;
        }
        match self.next(log) {
            Ok(found) if found.is_empty() => None,
            Ok(found) => Some(self.fetch(log, found)),
            Err(error) => Some(Err(error)),
        }
    }
}
