//! The ways to read a log.

use std::pin::Pin;

use futures_core::Stream;

use crate::{Filter, Position, RecordedEvent, StreamId, Tenant, Version};

/// Events in the order asked for, fetched page by page behind the scenes. After an error it ends.
pub type EventStream = Pin<Box<dyn Stream<Item = Result<RecordedEvent, ReadError>> + Send>>;

/// Which end a read begins at.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Direction {
    /// Oldest first.
    #[default]
    Forwards,
    /// Newest first.
    Backwards,
}

/// A read of one stream: the events with `after < version ≤ up_to`, as far as they are readable.
#[derive(Debug, Clone)]
pub struct ReadStream {
    /// Whose stream.
    pub tenant: Tenant,
    /// Which stream.
    pub stream: StreamId,
    /// Exclusive lower bound.
    pub after: Version,
    /// Inclusive upper bound.
    pub up_to: Version,
    /// Which end to begin at.
    pub direction: Direction,
    /// At most so many events.
    pub limit: usize,
}

impl ReadStream {
    /// All events of a stream, oldest first.
    pub fn of(tenant: Tenant, stream: StreamId) -> Self {
        let (after, up_to) = (Version::EMPTY, Version::new(u64::MAX));
        Self { tenant, stream, after, up_to, direction: Direction::Forwards, limit: usize::MAX }
    }

    /// Only events behind this version.
    pub fn after(mut self, version: Version) -> Self {
        self.after = version;
        self
    }

    /// Only events up to this version.
    pub fn up_to(mut self, version: Version) -> Self {
        self.up_to = version;
        self
    }

    /// Newest first.
    pub fn backwards(mut self) -> Self {
        self.direction = Direction::Backwards;
        self
    }

    /// At most `events`.
    pub fn limit(mut self, events: usize) -> Self {
        self.limit = events;
        self
    }
}

/// A read of the log: the events with `after < position ≤ up_to` that pass a filter, as far as they are readable.
///
/// A read that has ended without an error and without reaching its limit has seen everything in those bounds
/// that was readable when it began.
#[derive(Debug, Clone)]
pub struct ReadAll {
    /// What passes.
    pub filter: Filter,
    /// Exclusive lower bound.
    pub after: Position,
    /// Inclusive upper bound.
    pub up_to: Position,
    /// Which end to begin at.
    pub direction: Direction,
    /// At most so many events.
    pub limit: usize,
}

impl ReadAll {
    /// All events that pass `filter`, oldest first.
    pub fn of(filter: Filter) -> Self {
        let (after, up_to) = (Position::START, Position::new(u64::MAX));
        Self { filter, after, up_to, direction: Direction::Forwards, limit: usize::MAX }
    }

    /// Only events behind this position.
    pub fn after(mut self, position: Position) -> Self {
        self.after = position;
        self
    }

    /// Only events up to this position.
    pub fn up_to(mut self, position: Position) -> Self {
        self.up_to = position;
        self
    }

    /// Newest first.
    pub fn backwards(mut self) -> Self {
        self.direction = Direction::Backwards;
        self
    }

    /// At most `events`.
    pub fn limit(mut self, events: usize) -> Self {
        self.limit = events;
        self
    }
}

/// Why a read ended early.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// What is stored is not what was written; nothing of it is served.
    #[error("{place} is damaged: {reason}; put it back from a backup")]
    Damaged {
        /// Which file and range.
        place: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The store cannot be reached or read now. Wait and read again.
    #[error("the store cannot be read: {reason}")]
    Unavailable {
        /// Why, and what to do.
        reason: String,
    },
    /// The store does not offer this.
    #[error("the store does not offer {what}")]
    Unsupported {
        /// What was asked for.
        what: &'static str,
    },
}
