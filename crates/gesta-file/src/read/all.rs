//! Reads of the log through a filter.

use std::sync::Arc;

use gesta_core::{Direction, EventStream, Filter, Position, ReadAll};

use super::{Page, Pages, events, picked::Picked};
use crate::log::{
    Log,
    page::{self, Forward},
};

/// A backwards page.
const BACKWARDS: u64 = 512;

/// The events of a read, as far as they are readable now.
pub(crate) fn all(log: Arc<Log>, read: ReadAll) -> EventStream {
    let bounds = (read.after, read.up_to.min(log.head()));
    if let Some(picked) = Picked::of(&read, bounds) {
        return events(log, picked, read.limit);
    }
    match read.direction {
        Direction::Forwards => {
            let walk = Forward::new(bounds.0, bounds.1).few(read.limit);
            events(log, Forwards { walk, filter: read.filter }, read.limit)
        }
        Direction::Backwards => {
            let few = u64::try_from(read.limit).unwrap_or(u64::MAX).clamp(16, BACKWARDS);
            let pages = Backwards { after: bounds.0, up_to: bounds.1, filter: read.filter, page: few };
            events(log, pages, read.limit)
        }
    }
}

struct Forwards {
    walk: Forward,
    filter: Filter,
}

impl Pages for Forwards {
    fn quick(&mut self, log: &Log) -> Option<Page> {
        if self.walk.is_done() { None } else { self.walk.recent(log, &self.filter) }
    }

    fn page(&mut self, log: &Log) -> Option<Page> {
        (!self.walk.is_done()).then(|| self.walk.page(log, &self.filter))
    }
}

struct Backwards {
    after: Position,
    up_to: Position,
    filter: Filter,
    page: u64,
}

impl Pages for Backwards {
    fn quick(&mut self, log: &Log) -> Option<Page> {
        // The newest events are nearly always wanted, and they are in memory.
        let low = self.low(self.after.next());
        let held = self.after < self.up_to && log.recent.at(low).is_some();
        held.then(|| self.window(log, low))
    }

    fn page(&mut self, log: &Log) -> Option<Page> {
        if self.up_to <= self.after {
            return None;
        }
        let segment = log.chain.at(self.up_to)?;
        let first = segment.first.max(self.after.next());
        if segment.summary().is_some_and(|summary| !summary.may_hold(&self.filter)) {
            self.up_to = Position::new(first.get() - 1);
            return Some(Ok(Vec::new()));
        }
        let low = self.low(first);
        Some(self.window(log, low))
    }
}

impl Backwards {
    fn low(&self, least: Position) -> Position {
        Position::new((self.up_to.get() + 1).saturating_sub(self.page)).max(least)
    }

    fn window(&mut self, log: &Log, low: Position) -> Page {
        let mut found = page::window(log, low, self.up_to, &self.filter)?;
        found.reverse();
        self.up_to = Position::new(low.get() - 1);
        self.page = BACKWARDS;
        Ok(found)
    }
}
