//! What a store says of itself.

use std::sync::Arc;

use gesta_api::HealthStatus;
use gesta_core::{DurabilityClass, Position};

/// Events that may wait to be indexed before a server calls itself degraded.
const INDEX_LAG: u64 = 100_000;

/// What a store says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StoreReport {
    /// Which store it is: `memory`, `file` or `postgres`.
    pub(crate) kind: &'static str,
    /// The highest readable position.
    pub(crate) head: Position,
    /// The position up to which the log is indexed.
    pub(crate) indexed: Position,
    /// What an acknowledgement survives.
    pub(crate) durability: DurabilityClass,
    /// What makes it keep less than it could, such as `synchronous_commit=off`.
    pub(crate) lowered: Vec<String>,
    /// Why the store takes no appends, and what to do; absent when it does.
    pub(crate) failed: Option<String>,
    /// How many files the log has; absent in memory.
    pub(crate) segments: Option<u64>,
    /// How many bytes the log has; absent in memory.
    pub(crate) bytes: Option<u64>,
}

impl StoreReport {
    /// A store in memory that works, fully indexed.
    pub(crate) fn working(head: Position, durability: DurabilityClass) -> Self {
        let (kind, indexed) = ("memory", head);
        Self { kind, head, indexed, durability, lowered: vec![], failed: None, segments: None, bytes: None }
    }

    /// How many events are not indexed yet.
    pub(crate) fn behind(&self) -> u64 {
        self.head.get().saturating_sub(self.indexed.get())
    }

    /// What that comes to.
    pub(crate) fn status(&self) -> HealthStatus {
        match &self.failed {
            Some(_) => HealthStatus::Unhealthy,
            None if self.behind() > INDEX_LAG => HealthStatus::Degraded,
            None => HealthStatus::Healthy,
        }
    }
}

/// Asks a store how it is; cheap, never waits.
pub(crate) type Probe = Arc<dyn Fn() -> StoreReport + Send + Sync>;
