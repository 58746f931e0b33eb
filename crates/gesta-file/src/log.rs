//! The log: append-only segments, the only truth.

pub(crate) mod chain;
pub(crate) mod folder;
pub(crate) mod follow;
pub(crate) mod frame;
pub(crate) mod header;
pub(crate) mod meta;
pub(crate) mod page;
pub(crate) mod prepare;
pub(crate) mod recent;
pub(crate) mod recover;
pub(crate) mod scan;
pub(crate) mod segment;
pub(crate) mod summary;
pub(crate) mod tail;
pub(crate) mod writer;

use std::sync::OnceLock;

use gesta_core::{DurabilityClass, Position, ReadError};
use tokio::sync::watch;

use crate::index::{Index, IndexError};

/// What readers, the writer and the index thread share.
pub(crate) struct Log {
    /// The files.
    pub(crate) chain: chain::Chain,
    /// The groups written last.
    pub(crate) recent: recent::Recent,
    /// What the index does not know yet.
    pub(crate) tail: tail::Tail,
    /// Ids, streams and correlations to positions.
    pub(crate) index: Index,
    /// The highest position that is durable and may be read.
    pub(crate) head: watch::Sender<Position>,
    /// What an acknowledgement survives.
    pub(crate) class: DurabilityClass,
    /// The first failure; it stays until the log is opened again.
    poison: OnceLock<String>,
}

impl Log {
    /// A log that was found whole up to `head`.
    pub(crate) fn new(
        chain: chain::Chain,
        recent: recent::Recent,
        tail: tail::Tail,
        index: Index,
        head: Position,
        class: DurabilityClass,
    ) -> Self {
        Self { chain, recent, tail, index, head: watch::Sender::new(head), class, poison: OnceLock::new() }
    }

    /// The highest position that may be read.
    pub(crate) fn head(&self) -> Position {
        *self.head.borrow()
    }

    /// After a failed write or sync nothing is written any more: what the kernel holds may not be what is on disk.
    pub(crate) fn fail(&self, reason: String) {
        tracing::error!(%reason, "the log takes no more appends");
        // The first failure is the one to know.
        let _ = self.poison.set(reason);
    }

    /// Why the log takes no appends, once a write or sync has failed.
    pub(crate) fn failure(&self) -> Option<&str> {
        self.poison.get().map(String::as_str)
    }
}

impl From<IndexError> for ReadError {
    fn from(error: IndexError) -> Self {
        Self::Unavailable { reason: error.to_string() }
    }
}
