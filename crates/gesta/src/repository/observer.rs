//! What a repository tells whoever measures it.

use std::{fmt, sync::Arc};

use gesta_core::Version;

/// Is told what repositories do, to count it. It is called in the middle of commands: it must neither wait nor fail.
///
/// ```
/// use std::sync::atomic::{AtomicU64, Ordering};
/// use gesta::repository::{Observer, Seen};
///
/// #[derive(Default)]
/// struct Longest(AtomicU64);
///
/// impl Observer for Longest {
///     fn seen(&self, _category: &'static str, seen: Seen) {
///         if let Seen::Decided { version } = seen {
///             self.0.fetch_max(version.get(), Ordering::Relaxed);
///         }
///     }
/// }
/// ```
pub trait Observer: Send + Sync {
    /// Something happened to one aggregate of this category, which comes from the program: a closed set.
    fn seen(&self, category: &'static str, seen: Seen);
}

/// What happened to an aggregate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Seen {
    /// A command decided on a state of this version. Once for each time it decided: more than once after conflicts.
    Decided {
        /// How many events the stream had.
        version: Version,
    },
    /// A snapshot was saved.
    SnapshotSaved,
    /// A snapshot was due and could not be saved.
    SnapshotFailed,
    /// A load began at a snapshot.
    SnapshotUsed,
    /// A load found a snapshot that is damaged or of another log, or a store of snapshots that did not answer: the events
    /// were folded from the first. One of another type of state is not found in the first place, and not counted.
    SnapshotPassedOver,
}

/// Whom a repository tells, if anybody.
#[derive(Clone, Default)]
pub(crate) struct Told(Option<Arc<dyn Observer>>);

impl Told {
    pub(super) fn of(observer: Arc<dyn Observer>) -> Self {
        Self(Some(observer))
    }

    pub(crate) fn tell(&self, category: &'static str, seen: Seen) {
        if let Some(observer) = &self.0 {
            observer.seen(category, seen);
        }
    }
}

impl fmt::Debug for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "an observer" } else { "nobody" })
    }
}
