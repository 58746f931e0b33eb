//! What all parts of a store use.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use deadpool_postgres::Pool;
use gesta_core::Position;
use tokio::sync::watch;

use crate::{connect::Connector, options::Options, probe::Promise};

/// What all parts of a store use.
pub(crate) struct Shared {
    pub(crate) connector: Connector,
    pub(crate) pool: Pool,
    pub(crate) options: Options,
    /// What the server promised last.
    pub(crate) promise: Mutex<Promise>,
    /// The head as it was last heard of.
    pub(crate) head: watch::Sender<Position>,
    /// The last position that this process has appended: others are told of it.
    pub(crate) appended: watch::Sender<Position>,
    /// When and why something failed last, unless an append has worked since.
    pub(crate) failure: Mutex<Option<(Instant, String)>>,
    pub(crate) cursor_key: [u8; 32],
}

impl Shared {
    /// What the server promised last.
    pub(crate) fn promise(&self) -> Promise {
        self.promise.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Hands a newer head on; an older one changes nothing.
    pub(crate) fn heard(&self, head: Position) {
        self.head.send_if_modified(|known| {
            let newer = *known < head;
            *known = head.max(*known);
            newer
        });
    }

    /// This process has moved the head here.
    pub(crate) fn appended(&self, head: Position) {
        self.heard(head);
        self.appended.send_replace(head);
    }

    /// Something failed, or an append has worked.
    pub(crate) fn noticed(&self, failure: Option<String>) {
        *self.failure.lock().unwrap_or_else(PoisonError::into_inner) =
            failure.map(|why| (Instant::now(), why));
    }

    pub(crate) fn failed_lately(&self) -> Option<String> {
        const LATELY: Duration = Duration::from_secs(10);
        let failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
        failure.as_ref().filter(|(when, _)| when.elapsed() < LATELY).map(|(_, why)| why.clone())
    }
}

/// A position as the database holds it; none of its own is negative.
pub(crate) fn position(number: i64) -> Position {
    Position::new(u64::try_from(number).unwrap_or(0))
}

/// A number as the database can hold it.
pub(crate) fn bound(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
