//! G10: what was handled is no dead letter, and what waits behind one is not forgotten, whoever owned the processor.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};

use async_trait::async_trait;
use gesta::{OnFailure, Processor, ProcessorOptions, Processors, Selection};
use gesta_conformance::around::Around;
use gesta_core::{
    EventHandler, EventStore, Filter, HandlerError, MemoryCheckpoints, MemoryStore, Position, RecordedEvent,
    SystemClock,
};

use crate::support::{PATIENCE, Sink, Stalled, append, letters, processors, settle, tenant, wait};

/// Appends one event of a stream, and says where.
pub(crate) async fn one(store: &MemoryStore, stream: &str) -> Position {
    append(store, &[stream]).await;
    store.head().await.expect("answers").position
}

/// A log whose owner was replaced while it left out the first event; its successor takes everything.
struct Replaced {
    store: Arc<MemoryStore>,
    checkpoints: Arc<MemoryCheckpoints>,
    sink: Arc<Sink>,
    stalled: Arc<Around<Stalled>>,
    heir: Processors,
}

impl Replaced {
    async fn on(streams: &[&str]) -> Self {
        let (store, checkpoints) = (Arc::new(MemoryStore::new()), Arc::new(MemoryCheckpoints::default()));
        let sink = Arc::new(Sink::default());
        append(&*store, streams).await;
        let stalled = Stalled::new(store.clone());
        let replaced = processors(stalled.clone(), checkpoints.clone(), &sink).await;
        replaced.start_all().await.expect("starts");
        tokio::time::timeout(PATIENCE, stalled.caught()).await.expect("leaves it out");
        drop(replaced);
        sink.mend();
        let heir = processors(store.clone(), checkpoints.clone(), &sink).await;
        heir.start_all().await.expect("starts");
        Self { store, checkpoints, sink, stalled, heir }
    }
}

/// An owner that was replaced records an event as left out which its successor has handled.
#[tokio::test(start_paused = true)]
async fn what_a_replaced_owner_records_late_holds_nobody_up() {
    let Replaced { store, checkpoints, sink, stalled, heir } = Replaced::on(&["bad-1", "bad-1"]).await;
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
    let Replaced { store, checkpoints, sink, stalled, heir } = Replaced::on(&["bad-1"]).await;
    wait(&heir, Position::new(1)).await;
    sink.break_again();
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
