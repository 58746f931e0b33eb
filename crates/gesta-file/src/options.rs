//! How a store is opened.

use std::{fmt, sync::Arc, time::Duration};

use gesta_core::{Clock, SystemClock};

use crate::Progress;

/// How a store is opened. The defaults suit a server; tests make segments tiny.
///
/// ```
/// use gesta_file::Options;
/// let options = Options::default().segment_bytes(64 << 10, 16 << 20).queue(1_000);
/// # let _ = options;
/// ```
#[derive(Clone)]
pub struct Options {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) first_segment_bytes: u64,
    pub(crate) largest_segment_bytes: u64,
    pub(crate) queue_appends: usize,
    pub(crate) tail_events: usize,
    pub(crate) patience: Duration,
    pub(crate) sync: bool,
    pub(crate) told: Vec<Told>,
}

/// Who is told how far a long opening is.
type Told = Arc<dyn Fn(Progress) + Send + Sync>;

impl Options {
    /// Time comes from this clock; by default from the machine's.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// The first segment takes `first` bytes and each next one twice as many as the one before, up to `largest`:
    /// 1 MiB to 256 MiB by default, at most 1 GiB. A single append larger than a segment gets one of its own.
    pub fn segment_bytes(mut self, first: u64, largest: u64) -> Self {
        self.largest_segment_bytes = largest.clamp(1, 1 << 30);
        self.first_segment_bytes = first.clamp(1, self.largest_segment_bytes);
        self
    }

    /// At most so many appends wait for the writer, 8,192 by default, and 64 MiB of them; beyond that an append is refused
    /// as busy.
    pub fn queue(mut self, appends: usize) -> Self {
        self.queue_appends = appends.max(1);
        self
    }

    /// At most so many events may be in the log and not yet in the index, 262,144 by default. Beyond that appends
    /// wait a moment and are then refused as busy. It bounds memory and the work of a start after a kill.
    pub fn tail(mut self, events: usize) -> Self {
        self.tail_events = events.max(1);
        self
    }

    /// How long an append waits for an index that is behind before it is refused as busy: one second by default.
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// While a lost index is built anew, which takes as long as reading the log, the opening tells how far it is: now and
    /// then, from its own thread, in events. Whoever is told holds the opening up until it returns.
    pub fn telling(mut self, told: impl Fn(Progress) + Send + Sync + 'static) -> Self {
        self.told.push(Arc::new(told));
        self
    }

    /// Nothing is synced: acknowledgements survive a kill of the process, not a power cut, and the store says so
    /// (`buffered`). For imports that can be repeated and for tests.
    pub fn without_sync(mut self) -> Self {
        self.sync = false;
        self
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            clock: Arc::new(SystemClock),
            first_segment_bytes: 1 << 20,
            largest_segment_bytes: 256 << 20,
            queue_appends: 8_192,
            tail_events: 1 << 18,
            patience: Duration::from_secs(1),
            sync: true,
            told: Vec::new(),
        }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("first_segment_bytes", &self.first_segment_bytes)
            .field("largest_segment_bytes", &self.largest_segment_bytes)
            .field("queue_appends", &self.queue_appends)
            .field("tail_events", &self.tail_events)
            .field("sync", &self.sync)
            .finish_non_exhaustive()
    }
}
