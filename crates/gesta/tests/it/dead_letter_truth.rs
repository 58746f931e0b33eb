//! G10: what was handled is no dead letter, and what waits behind one is not forgotten, whoever owned the processor.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use gesta::{OnFailure, Processor, ProcessorOptions, Processors, Selection};
use gesta_core::{
    AppendBatch, AppendError, Appended, Capabilities, CheckpointStore, EventHandler, EventStore, EventStream,
    Filter, HandlerError, LogHead, MemoryCheckpoints, MemoryStore, Position, ReadAll, ReadError, ReadStream,
    RecordedEvent, SystemClock, Wakeups,
};
use tokio::sync::Notify;

use crate::support::{append, tenant};

pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Refuses `bad` until it is mended, and remembers what it took, as `stream@version`.
#[derive(Default)]
pub(crate) struct Sink {
    mended: AtomicBool,
    handled: Mutex<Vec<String>>,
}

impl Sink {
    pub(crate) fn mend(&self) {
        self.mended.store(true, Ordering::SeqCst);
    }

    pub(crate) fn handled(&self) -> Vec<String> {
        self.handled.lock().expect("not poisoned").clone()
    }
}

#[async_trait]
impl EventHandler for Sink {
    fn name(&self) -> &str {
        "sink"
    }

    fn filter(&self) -> Filter {
        Filter::of(tenant())
    }

    async fn handle(&self, events: &[RecordedEvent]) -> Result<(), HandlerError> {
        let bad = events.iter().any(|event| event.stream.category() == "bad");
        if bad && !self.mended.load(Ordering::SeqCst) {
            return Err(HandlerError::Permanent("never".into()));
        }
        let places = events.iter().map(|event| format!("{}@{}", event.stream, event.version));
        self.handled.lock().expect("not poisoned").extend(places);
        Ok(())
    }
}

pub(crate) async fn processors(
    store: Arc<dyn EventStore>,
    checkpoints: Arc<dyn CheckpointStore>,
    sink: &Arc<Sink>,
) -> Processors {
    let processors = Processors::new(store, checkpoints, Arc::new(SystemClock), "one");
    let options = ProcessorOptions { on_failure: OnFailure::Skip, ..ProcessorOptions::default() };
    processors.add_handler(sink.clone(), options).await.expect("adds");
    processors
}

pub(crate) async fn letters(processors: &Processors) -> Vec<String> {
    let letters = processors.dead_letters("sink").await.expect("lists");
    letters.iter().map(|letter| format!("{}@{}", letter.stream, letter.version)).collect()
}

pub(crate) async fn wait(processors: &Processors, position: Position) {
    processors.wait_for("sink", position, PATIENCE).await.expect("gets there");
}

/// Appends one event of a stream, and says where.
pub(crate) async fn one(store: &MemoryStore, stream: &str) -> Position {
    append(store, &[stream]).await;
    store.head().await.expect("answers").position
}

/// A store that keeps back what is recorded of a dead letter: it is under way, and nobody can take it back.
pub(crate) struct Stalled {
    store: Arc<MemoryStore>,
    under_way: Mutex<Option<AppendBatch>>,
    caught: Notify,
}

impl Stalled {
    pub(crate) fn new(store: Arc<MemoryStore>) -> Arc<Self> {
        Arc::new(Self { store, under_way: Mutex::default(), caught: Notify::new() })
    }

    /// Something is under way.
    pub(crate) async fn caught(&self) {
        self.caught.notified().await;
    }

    /// What was under way arrives.
    pub(crate) async fn arrives(&self) {
        let batch = self.under_way.lock().expect("not poisoned").take().expect("something is under way");
        self.store.append(batch).await.expect("appends");
    }
}

#[async_trait]
impl EventStore for Stalled {
    async fn append(&self, batch: AppendBatch) -> Result<Appended, AppendError> {
        *self.under_way.lock().expect("not poisoned") = Some(batch);
        self.caught.notify_one();
        std::future::pending().await
    }
    fn read_stream(&self, read: ReadStream) -> EventStream {
        self.store.read_stream(read)
    }
    fn read_all(&self, read: ReadAll) -> EventStream {
        self.store.read_all(read)
    }
    async fn head(&self) -> Result<LogHead, ReadError> {
        self.store.head().await
    }
    fn wakeups(&self) -> Wakeups {
        self.store.wakeups()
    }
    fn capabilities(&self) -> Capabilities {
        self.store.capabilities()
    }
}

/// An owner that was replaced records an event as left out which its successor has handled.
#[tokio::test(start_paused = true)]
async fn what_a_replaced_owner_records_late_holds_nobody_up() {
    let (store, checkpoints) = (Arc::new(MemoryStore::new()), Arc::new(MemoryCheckpoints::default()));
    let sink = Arc::new(Sink::default());
    append(&*store, &["bad-1", "bad-1"]).await;
    let stalled = Stalled::new(store.clone());
    let replaced = processors(stalled.clone(), checkpoints.clone(), &sink).await;
    replaced.start_all().await.expect("starts");
    tokio::time::timeout(PATIENCE, stalled.caught()).await.expect("leaves it out");
    drop(replaced);

    sink.mend();
    let heir = processors(store.clone(), checkpoints.clone(), &sink).await;
    heir.start_all().await.expect("starts");
    wait(&heir, Position::new(2)).await;
    stalled.arrives().await;
    assert_eq!(letters(&heir).await, [""; 0]);
    let third = one(&store, "bad-1").await;
    wait(&heir, third).await;
    heir.shutdown().await;

    // Every later owner sees the same, however much was saved since.
    for _ in 0..2 {
        let later = processors(store.clone(), checkpoints.clone(), &sink).await;
        later.start_all().await.expect("starts");
        let next = one(&store, "bad-1").await;
        wait(&later, next).await;
        assert_eq!(letters(&later).await, [""; 0]);
        assert_eq!(later.replay_dead_letters("sink", Selection::All).await, Ok(0));
        later.shutdown().await;
    }
    assert_eq!(sink.handled(), ["bad-1@1", "bad-1@2", "bad-1@3", "bad-1@4", "bad-1@5"]);
}

/// The same where its successor has left out another event of that stream since, and catches up on both.
#[tokio::test(start_paused = true)]
async fn what_a_replaced_owner_records_late_does_not_hide_a_letter() {
    let (store, checkpoints) = (Arc::new(MemoryStore::new()), Arc::new(MemoryCheckpoints::default()));
    let sink = Arc::new(Sink::default());
    append(&*store, &["bad-1"]).await;
    let stalled = Stalled::new(store.clone());
    let replaced = processors(stalled.clone(), checkpoints.clone(), &sink).await;
    replaced.start_all().await.expect("starts");
    tokio::time::timeout(PATIENCE, stalled.caught()).await.expect("leaves it out");
    drop(replaced);

    sink.mend();
    let heir = processors(store.clone(), checkpoints.clone(), &sink).await;
    heir.start_all().await.expect("starts");
    wait(&heir, Position::new(1)).await;
    sink.mended.store(false, Ordering::SeqCst);
    let second = one(&store, "bad-1").await;
    wait(&heir, second).await;
    stalled.arrives().await;
    assert_eq!(letters(&heir).await, ["bad-1@2"]);
    let last = one(&store, "a-1").await;
    wait(&heir, last).await;
    heir.shutdown().await;

    sink.mend();
    let later = processors(store.clone(), checkpoints.clone(), &sink).await;
    later.start_all().await.expect("starts");
    assert_eq!(letters(&later).await, ["bad-1@2"]);
    settle(&later).await.expect("nothing is in its way");
    assert_eq!(sink.handled(), ["bad-1@1", "a-1@1", "bad-1@2"]);
}

/// Has all dead letters handled again, and waits until none is left, or it has died.
pub(crate) async fn settle(processors: &Processors) -> Option<()> {
    let settled = async {
        processors.replay_dead_letters("sink", Selection::All).await.ok()?;
        while !processors.dead_letters("sink").await.ok()?.is_empty() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Some(())
    };
    tokio::time::timeout(PATIENCE, settled).await.ok().flatten()
}

/// Fails for now on `bad`, and from its third failure on does its work all the same: only the answer is lost.
#[derive(Default)]
struct Forgetful {
    failures: AtomicUsize,
    done: Mutex<Vec<String>>,
}

#[async_trait]
impl EventHandler for Forgetful {
    fn name(&self) -> &str {
        "forgetful"
    }

    fn filter(&self) -> Filter {
        Filter::of(tenant())
    }

    async fn handle(&self, events: &[RecordedEvent]) -> Result<(), HandlerError> {
        let fails = events.iter().any(|event| event.stream.category() == "bad");
        // The whole batch and the one event, under the first claim.
        if fails && self.failures.fetch_add(1, Ordering::SeqCst) < 2 {
            return Err(HandlerError::Transient("not now".into()));
        }
        let streams = events.iter().map(|event| event.stream.to_string());
        self.done.lock().expect("not poisoned").extend(streams);
        if fails { Err(HandlerError::Transient("the answer was lost".into())) } else { Ok(()) }
    }
}

/// It is given up under another claim than that of its last attempt, in whatever company it was tried.
#[tokio::test(start_paused = true)]
async fn what_is_given_up_is_not_tried_once_more_before_with_others() {
    let store = Arc::new(MemoryStore::new());
    append(&*store, &["bad-1", "a-1"]).await;
    let handler = Arc::new(Forgetful::default());
    let options =
        ProcessorOptions { on_failure: OnFailure::Skip, attempts: Some(1), ..ProcessorOptions::default() };
    let checkpoints = Arc::new(MemoryCheckpoints::default());
    let running = Processor::new(store, checkpoints, Arc::new(SystemClock), "one", handler.clone())
        .with(options)
        .start();
    let passed = running.wait_for(|status| status.position >= Position::new(2) && status.skipped == 1);
    tokio::time::timeout(PATIENCE, passed).await.expect("goes on");
    assert_eq!(*handler.done.lock().expect("not poisoned"), ["a-1"], "it is a dead letter");
}
