//! Shortcuts through long streams: when state is saved, and what makes a saved state usable.

mod saved;
mod shape;

pub(crate) use saved::Snapshots;

/// When snapshots are taken and how many are kept.
///
/// ```
/// use gesta::snapshot::SnapshotPolicy;
/// let policy = SnapshotPolicy { every: 50, ..SnapshotPolicy::default() };
/// assert!(!policy.is_due(99, 50) && policy.is_due(100, 50));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SnapshotPolicy {
    /// Events from one snapshot to the next, 100 unless set; 0 takes none. A load reads at most so many events behind
    /// a snapshot.
    pub every: u64,
    /// Snapshots kept of each stream, 3 unless set; older ones are removed when one is saved. At least 1 is kept.
    pub keep: usize,
    /// The meaning of the state, 1 unless set. Raise it when `apply` makes another state of the same type from the same
    /// events: snapshots of other revisions are not used. A change of the type itself is noticed without it.
    pub revision: u32,
}

impl Default for SnapshotPolicy {
    fn default() -> Self {
        Self { every: 100, keep: 3, revision: 1 }
    }
}

impl SnapshotPolicy {
    /// Whether a state at `version` is worth a snapshot when the last one is of version `last` (0 if there is none).
    #[doc(alias = "should_create_snapshot")]
    pub fn is_due(&self, version: u64, last: u64) -> bool {
        self.every > 0 && version.saturating_sub(last) >= self.every
    }
}
