//! Gives the past to a handler once more.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use gesta_core::{
    Clock, EventHandler, EventStore, Filter, HandlerError, MemoryCheckpoints, Position, ReadError,
    RecordedEvent, SystemClock, Timestamp,
};

use crate::{Processor, ProcessorHandle, ProcessorOptions, ProcessorState, ProcessorStatus, Start};

/// So many events a handler gets at once, unless told otherwise.
const BATCH: usize = 4_096;

/// Gives the past to a handler once more: a part of the log, up to a bound, without a durable checkpoint.
///
/// What is replayed is chosen by a [`Filter`]: tenant, types, streams, and times by `recorded_from` and
/// `recorded_before`; and by positions. The handler is run by *the* processor, so it is retried, stopped and skipped in
/// the same way; what it saves it saves itself, and nothing is remembered of the replay, but for what it left out: that is
/// recorded in a stream of its own, `$replay-<name>-<id>`, and holds up nobody else. A read model is not replayed but
/// rebuilt: [`Processors::rebuild`](crate::Processors::rebuild).
///
/// ```
/// use std::sync::{Arc, atomic::{AtomicUsize, Ordering}};
/// use gesta::Replay;
/// use gesta_core::*;
///
/// struct Count(AtomicUsize);
///
/// #[async_trait::async_trait]
/// impl EventHandler for Count {
///     fn name(&self) -> &str { "count" }
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
/// for kind in ["order.placed", "order.shipped", "order.placed"] {
///     store.append(AppendBatch::to("order-1".parse()?, ExpectedVersion::Any, [NewEvent::new(kind, "{}")])).await?;
/// }
/// let count = Arc::new(Count(AtomicUsize::new(0)));
/// let placed = Filter::of(Tenant::default()).types(["order.placed"]);
/// let running = Replay::of(store, placed).start(count.clone()).await?;
/// let done = running.finish().await?;
/// assert_eq!((done.handled, count.0.load(Ordering::Relaxed)), (2, 2));
/// # Ok(()) }
/// ```
pub struct Replay {
    store: Arc<dyn EventStore>,
    filter: Filter,
    after: Position,
    up_to: Option<Position>,
    clock: Arc<dyn Clock>,
    options: ProcessorOptions,
}

/// Why a replay did not come to its end.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the replay stopped at {stands} of {of}: {reason}")]
pub struct ReplayError {
    /// Everything up to here was handled.
    pub stands: Position,
    /// Where it was to end.
    pub of: Position,
    /// Why.
    pub reason: String,
}

/// How far a replay is.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReplayProgress {
    /// Everything behind this position was asked for.
    pub from: Position,
    /// Everything up to here is handled or does not pass.
    pub done: Position,
    /// Where it ends.
    pub of: Position,
    /// Events handled.
    pub handled: u64,
    /// How long it takes yet, at its speed so far; `None` until that is known.
    pub time_left: Option<Duration>,
    /// What it does.
    pub state: ProcessorState,
}

impl Replay {
    /// Of these events, from the first to those that are readable when it starts.
    pub fn of(store: Arc<dyn EventStore>, filter: Filter) -> Self {
        let options = ProcessorOptions { batch: BATCH, flush: Duration::ZERO, ..ProcessorOptions::default() };
        Self { store, filter, after: Position::START, up_to: None, clock: Arc::new(SystemClock), options }
    }

    /// Only those behind this position.
    pub fn after(mut self, position: Position) -> Self {
        self.after = position;
        self
    }

    /// Only those up to this position.
    pub fn up_to(mut self, position: Position) -> Self {
        self.up_to = Some(position);
        self
    }

    /// How the handler is called, retried and given up. Where it starts and ends is the replay's.
    pub fn with(mut self, options: ProcessorOptions) -> Self {
        self.options = options;
        self
    }

    /// Times by this clock.
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Starts it, on the current runtime. It stops when the handle is dropped. Fails when the log cannot be read.
    pub async fn start(self, handler: Arc<dyn EventHandler>) -> Result<ReplayHandle, ReadError> {
        let head = self.store.head().await?.position;
        let of = self.up_to.map_or(head, |up_to| up_to.min(head));
        let options = ProcessorOptions { start: Start::After(self.after), until: Some(of), ..self.options };
        let checkpoints = Arc::new(MemoryCheckpoints::with_clock(self.clock.clone()));
        let handler = Arc::new(Filtered { handler, filter: self.filter });
        let since = self.clock.now();
        let clock = self.clock.clone();
        let running = Processor::new(self.store, checkpoints, self.clock, "replay", handler);
        Ok(ReplayHandle {
            running: running.with(options).for_replay().start(),
            clock,
            since,
            from: self.after,
            of,
        })
    }
}

/// A replay that runs.
pub struct ReplayHandle {
    running: ProcessorHandle,
    clock: Arc<dyn Clock>,
    since: Timestamp,
    from: Position,
    of: Position,
}

impl ReplayHandle {
    /// How far it is.
    pub fn progress(&self) -> ReplayProgress {
        let ProcessorStatus { position, handled, state, .. } = self.running.status();
        let done = position.max(self.from);
        let came = done.get() - self.from.get();
        let left = self.of.get().saturating_sub(done.get());
        let took = self.clock.now().since(self.since);
        let time_left = (came > 0).then(|| took.mul_f64(left as f64 / came as f64));
        ReplayProgress { from: self.from, done, of: self.of, handled, time_left, state }
    }

    /// Lets it wait.
    pub fn pause(&self) {
        self.running.pause();
    }

    /// Lets it go on after a pause.
    pub fn resume(&self) {
        self.running.resume();
    }

    /// Ends it early and waits for the batch at work; answers with how far it came.
    pub async fn stop(self) -> ReplayProgress {
        let mut progress = self.progress();
        let status = self.running.stop().await;
        (progress.done, progress.handled) = (status.position.max(self.from), status.handled);
        progress
    }

    /// Waits for its end. Fails when the handler does, for good.
    pub async fn finish(self) -> Result<ReplayProgress, ReplayError> {
        let over = |status: &ProcessorStatus| matches!(status.state, ProcessorState::Stopped { .. });
        self.running.wait_for(over).await;
        let progress = self.progress();
        let (stands, of) = (progress.done, progress.of);
        match progress.state {
            ProcessorState::Stopped { reason: Some(reason) } => Err(ReplayError { stands, of, reason }),
            _ if stands < of => {
                Err(ReplayError { stands, of, reason: "its task has ended before its time".into() })
            }
            _ => Ok(progress),
        }
    }
}

/// A handler that gets what a replay chose, and whose own checkpoint is left alone.
struct Filtered {
    handler: Arc<dyn EventHandler>,
    filter: Filter,
}

#[async_trait]
impl EventHandler for Filtered {
    fn name(&self) -> &str {
        self.handler.name()
    }

    fn filter(&self) -> Filter {
        self.filter.clone()
    }

    async fn handle(&self, events: &[RecordedEvent]) -> Result<(), HandlerError> {
        self.handler.handle(events).await
    }
}
