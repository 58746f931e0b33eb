//! Folded state at a version, so that a long stream is not folded again.

use async_trait::async_trait;
use bytes::Bytes;

use crate::{StreamId, Tenant, Version};

/// Snapshots of streams. They are a shortcut and never the truth: any of them may vanish.
#[async_trait]
pub trait SnapshotStore: Send + Sync {
    /// The latest snapshot of a stream with this fingerprint.
    async fn load(
        &self,
        tenant: &Tenant,
        stream: &StreamId,
        fingerprint: &str,
    ) -> Result<Option<Snapshot>, SnapshotError>;

    /// Saves a snapshot; one of the same version is replaced.
    async fn save(&self, tenant: &Tenant, stream: &StreamId, snapshot: Snapshot)
    -> Result<(), SnapshotError>;

    /// Keeps the latest `keep` snapshots of a stream.
    async fn prune(&self, tenant: &Tenant, stream: &StreamId, keep: usize) -> Result<(), SnapshotError>;
}

/// Folded state at a version.
#[derive(Debug, Clone, PartialEq, Eq)]
#[doc(alias = "memento")]
pub struct Snapshot {
    /// How many events are folded in.
    pub version: Version,
    /// The shape of the state: a snapshot of another shape is not loaded.
    pub fingerprint: String,
    /// The state, opaque.
    pub state: Bytes,
}

/// The snapshots cannot be used; fold the events instead.
#[derive(Debug, Clone, thiserror::Error)]
#[error("snapshots cannot be used: {reason}")]
pub struct SnapshotError {
    /// Why, and what to do.
    pub reason: String,
}
