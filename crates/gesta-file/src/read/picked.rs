//! Reads of the log that the index can shorten: by id, by correlation.

use std::collections::BTreeSet;

use gesta_core::{Direction, Filter, Position, ReadAll, ReadError, Tenant};
use uuid::Uuid;

use super::{Page, Pages};
use crate::log::{Log, page, tail::Sought};

/// Positions asked for at once.
const RUN: usize = 512;

/// A read of the events that the index names.
pub(super) struct Picked {
    by: By,
    tenant: Tenant,
    filter: Filter,
    after: Position,
    up_to: Position,
    direction: Direction,
    done: bool,
}

enum By {
    Ids(Vec<Uuid>),
    Correlation(String),
}

impl Picked {
    /// The read, if its filter names a tenant and ids or a correlation.
    pub(super) fn of(read: &ReadAll, (after, up_to): (Position, Position)) -> Option<Self> {
        let filter = read.filter.clone();
        let tenant = filter.tenant.clone()?;
        let by = if filter.ids.is_empty() {
            By::Correlation(filter.correlation_id.clone()?)
        } else {
            By::Ids(filter.ids.clone())
        };
        Some(Self { by, tenant, filter, after, up_to, direction: read.direction, done: false })
    }

    /// The next positions in the order of the read; which of them pass is still to be seen.
    fn positions(&mut self, log: &Log) -> Result<Vec<Position>, ReadError> {
        // The tail first: an event may move on to the index meanwhile, never back.
        let (mut found, limit) = match &self.by {
            By::Ids(ids) => {
                let mut found = BTreeSet::new();
                for id in ids {
                    let held = log.tail.find_id(&self.tenant, *id);
                    found.extend(match held {
                        Sought::At(position) => Some(position),
                        Sought::Nowhere => None,
                        Sought::NotHere => log.index.find_id(&self.tenant, *id)?,
                    });
                }
                (found, usize::MAX)
            }
            By::Correlation(correlation) => {
                let bounds = (self.after, self.up_to);
                let tail = log.tail.correlated(&self.tenant, correlation, bounds);
                let (after, up_to) = bounds;
                let indexed =
                    log.index.correlated(&self.tenant, correlation, after, up_to, self.direction, RUN)?;
                let full = if indexed.len() < RUN { usize::MAX } else { RUN };
                (tail.into_iter().chain(indexed).collect(), full)
            }
        };
        found.retain(|position| self.after < *position && *position <= self.up_to);
        self.done = limit == usize::MAX;
        let positions: Vec<_> = match self.direction {
            Direction::Forwards => found.into_iter().take(limit).collect(),
            Direction::Backwards => found.into_iter().rev().take(limit).collect(),
        };
        match (self.direction, positions.last()) {
            (Direction::Forwards, Some(last)) => self.after = *last,
            (Direction::Backwards, Some(last)) => self.up_to = Position::new(last.get() - 1),
            (_, None) => self.done = true,
        }
        Ok(positions)
    }
}

impl Pages for Picked {
    fn quick(&mut self, _log: &Log) -> Option<Page> {
        None
    }

    fn page(&mut self, log: &Log) -> Option<Page> {
        if self.done || self.up_to <= self.after {
            return None;
        }
        Some(self.positions(log).and_then(|mut positions| {
            positions.sort_unstable();
            let mut found = page::records(log, &positions)?;
            found.retain(|event| self.filter.accepts(event));
            if self.direction == Direction::Backwards {
                found.reverse();
            }
            Ok(found)
        }))
    }
}
