//! The one loop: everything that reacts to events is a handler run by it.

use std::{sync::Arc, time::Duration};

use gesta_core::{CheckpointStore, Clock, EventHandler, EventStore, Position};
use tokio::sync::watch;

use crate::{Start, lease::Gate};

mod backoff;
mod deliver;
mod handle;
pub(crate) mod letters;
mod park;
mod run;
mod status;
mod strikes;
mod tally;

pub use handle::ProcessorHandle;
pub use status::{ProcessorState, ProcessorStatus};

use handle::Wish;
use run::Loop;
pub(crate) use tally::Tally;

/// Runs one [`EventHandler`]: reads what it wants, calls it batch by batch, retries, and remembers where it stopped.
///
/// # What it promises
///
/// - Batches come in order, one at a time, and a batch counts as handled only when the handler said so and the checkpoint
///   is saved. After a crash the batches behind the checkpoint come again: at least once.
/// - One process runs it at a time, by a lease on the checkpoint; the others wait and take over when it ends. A
///   process that slept through its lease cannot save: the epoch of its successor is higher.
/// - A transient failure is tried again with growing delays, chosen at random up to the bound so that many processors do
///   not come back at once. A permanent one stops the processor, or skips the event, as declared.
///
/// The checkpoint is kept under the handler's name, for the tenant of its filter.
///
/// ```
/// use std::sync::{Arc, atomic::{AtomicUsize, Ordering}};
/// use gesta::Processor;
/// use gesta_core::*;
///
/// struct Counter(AtomicUsize);
///
/// #[async_trait::async_trait]
/// impl EventHandler for Counter {
///     fn name(&self) -> &str { "counter" }
///     fn filter(&self) -> Filter { Filter::of(Tenant::default()) }
///     async fn handle(&self, events: &[RecordedEvent]) -> Result<(), HandlerError> {
///         self.0.fetch_add(events.len(), Ordering::Relaxed);
///         Ok(())
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let store = Arc::new(MemoryStore::new());
/// let appended = store.append(AppendBatch::to("a-1".parse()?, ExpectedVersion::Any, [NewEvent::new("x", "1")])).await?;
///
/// let checkpoints = Arc::new(MemoryCheckpoints::default());
/// let counter = Arc::new(Counter(AtomicUsize::new(0)));
/// let running = Processor::new(store, checkpoints, Arc::new(SystemClock), "this-process", counter.clone()).start();
/// running.wait_for(|status| status.position >= appended.last().position).await;
/// running.stop().await;
/// assert_eq!(counter.0.load(Ordering::Relaxed), 1);
/// # Ok(()) }
/// ```
#[doc(alias = "worker")]
#[doc(alias = "daemon")]
pub struct Processor {
    store: Arc<dyn EventStore>,
    checkpoints: Arc<dyn CheckpointStore>,
    clock: Arc<dyn Clock>,
    owner: String,
    handler: Arc<dyn EventHandler>,
    options: ProcessorOptions,
    /// Whether it is a replay of the past, whose dead letters hold up nobody else.
    is_replay: bool,
    gate: Option<Arc<dyn Gate>>,
}

/// How a processor runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProcessorOptions {
    /// Where it begins when it has no checkpoint yet: at the beginning.
    pub start: Start,
    /// Most events of a batch: 100.
    pub batch: usize,
    /// How long a batch that is not full waits for more: 100 ms. Zero hands on at once whatever there is.
    pub flush: Duration,
    /// For how long its claim holds unless renewed: 15 s. So long a takeover takes when a process dies.
    pub lease: Duration,
    /// Bound of the first delay after a failure: 100 ms. It doubles with every further one.
    pub first_delay: Duration,
    /// Bound of all delays: 10 s.
    pub longest_delay: Duration,
    /// After so many attempts, the first included, a transient failure counts as permanent; `None`, the default, never
    /// gives up.
    pub attempts: Option<u32>,
    /// What a permanent failure leads to.
    pub on_failure: OnFailure,
    /// Where it ends: it stops once everything up to here is handled. `None`, the default, goes on for ever.
    pub until: Option<Position>,
    /// How long a stop waits for the handler: 10 s. Then the call is dropped, and its batch comes again.
    pub grace: Duration,
}

/// What a permanent failure leads to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum OnFailure {
    /// The processor stops with the reason until it is started again. Nothing is left out.
    #[default]
    Stop,
    /// The batch is given again event by event, and the one that fails is left out: as a *dead letter*
    /// `gesta.processor.parked` in the stream `$processor-<name>`, before the checkpoint passes it. The later events of its
    /// stream are held behind it, so that nothing is handled out of order; all other streams go on. It ends by a decision:
    /// [`Processors::replay_dead_letters`](crate::Processors::replay_dead_letters) or
    /// [`Processors::discard_dead_letters`](crate::Processors::discard_dead_letters).
    ///
    /// With 10,000 streams held it stops, too.
    #[doc(alias = "park")]
    #[doc(alias = "dead letter queue")]
    Skip,
}

impl Default for ProcessorOptions {
    fn default() -> Self {
        Self {
            start: Start::Beginning,
            batch: 100,
            flush: Duration::from_millis(100),
            lease: Duration::from_secs(15),
            first_delay: Duration::from_millis(100),
            longest_delay: Duration::from_secs(10),
            attempts: None,
            on_failure: OnFailure::Stop,
            until: None,
            grace: Duration::from_secs(10),
        }
    }
}

impl Processor {
    /// A processor of this handler with the default options. `owner` names this process among those that share the
    /// checkpoints.
    pub fn new(
        store: Arc<dyn EventStore>,
        checkpoints: Arc<dyn CheckpointStore>,
        clock: Arc<dyn Clock>,
        owner: impl Into<String>,
        handler: Arc<dyn EventHandler>,
    ) -> Self {
        let (owner, options) = (owner.into(), ProcessorOptions::default());
        Self { store, checkpoints, clock, owner, handler, options, is_replay: false, gate: None }
    }

    /// The same with these options.
    pub fn with(mut self, options: ProcessorOptions) -> Self {
        self.options = options;
        self
    }

    /// The same as a replay of the past.
    pub(crate) fn for_replay(mut self) -> Self {
        self.is_replay = true;
        self
    }

    /// The same, claiming its checkpoint only while this lets it.
    pub(crate) fn behind(mut self, gate: Arc<dyn Gate>) -> Self {
        self.gate = Some(gate);
        self
    }

    /// Starts it, on the current runtime. It stops when the handle is dropped; [`ProcessorHandle::stop`] also waits.
    pub fn start(self) -> ProcessorHandle {
        let (wishes, wish) = watch::channel(Wish::Run);
        let (reports, status) = watch::channel(ProcessorStatus::new(self.handler.name()));
        let hints = self.store.wakeups();
        let task = tokio::spawn(Loop::new(self, wish, reports).run());
        ProcessorHandle { wishes, status, hints, task }
    }
}
