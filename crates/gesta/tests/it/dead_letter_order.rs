//! G10: whatever dies when, each stream is handled in order, and nothing leaves but by success or a decision.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use gesta::{OnFailure, ProcessorOptions, Processors, Selection};
use gesta_core::{
    CheckpointStore, EventHandler, EventStore, Filter, HandlerError, MemoryCheckpoints, MemoryStore,
    Position, RecordedEvent, SystemClock, Tenant,
};

use crate::support::{Fuse, append};

const STREAMS: [&str; 9] = ["bad-1", "a-1", "bad-1", "bad-2", "a-1", "bad-1", "bad-2", "a-2", "bad-1"];

/// Refuses `bad` until it is mended, and remembers what it took.
#[derive(Default)]
struct Sink {
    mended: AtomicBool,
    handled: Mutex<BTreeMap<String, Vec<u64>>>,
}

#[async_trait]
impl EventHandler for Sink {
    fn name(&self) -> &str {
        "sink"
    }

    fn filter(&self) -> Filter {
        Filter::of(Tenant::default())
    }

    async fn handle(&self, events: &[RecordedEvent]) -> Result<(), HandlerError> {
        let mended = self.mended.load(Ordering::SeqCst);
        if !mended && events.iter().any(|event| event.stream.category() == "bad") {
            return Err(HandlerError::Permanent("never".into()));
        }
        let mut handled = self.handled.lock().expect("not poisoned");
        for event in events {
            handled.entry(event.stream.to_string()).or_default().push(event.version.get());
        }
        Ok(())
    }
}

async fn run(
    store: Arc<dyn EventStore>,
    checkpoints: Arc<dyn CheckpointStore>,
    sink: &Arc<Sink>,
) -> Processors {
    let processors = Processors::new(store, checkpoints, Arc::new(SystemClock), "one");
    let options = ProcessorOptions { on_failure: OnFailure::Skip, batch: 4, ..ProcessorOptions::default() };
    processors.add_handler(sink.clone(), options).await.expect("adds");
    processors
}

/// Runs until everything is passed, mends the sink, replays, and waits until nothing is left, or it has died.
async fn live(processors: &Processors, sink: &Sink, last: Position) -> Option<()> {
    let life = async {
        processors.start_all().await.ok()?;
        processors.wait_for("sink", last, Duration::from_secs(30)).await.ok()?;
        sink.mended.store(true, Ordering::SeqCst);
        processors.replay_dead_letters("sink", Selection::All).await.ok()?;
        while !processors.dead_letters("sink").await.ok()?.is_empty() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Some(())
    };
    tokio::time::timeout(Duration::from_secs(60), life).await.ok().flatten()
}

#[tokio::test(start_paused = true)]
async fn a_kill_at_any_call_keeps_the_order_of_each_stream_and_loses_nothing() {
    let (mut died, mut runs) = (0, 0);
    for of_store in [false, true] {
        for late in [false, true] {
            for calls in 1.. {
                let store = Arc::new(MemoryStore::new());
                let checkpoints = Arc::new(MemoryCheckpoints::default());
                append(&*store, &STREAMS).await;
                let sink = Arc::new(Sink::default());
                let left = Arc::new(AtomicUsize::new(calls));
                let dying = match of_store {
                    true => run(Fuse::new(store.clone(), left, late), checkpoints.clone(), &sink).await,
                    false => run(store.clone(), Fuse::new(checkpoints.clone(), left, late), &sink).await,
                };
                let last = Position::new(STREAMS.len() as u64);
                let survived = live(&dying, &sink, last).await.is_some();
                drop(dying);
                let heir = run(store, checkpoints, &sink).await;
                live(&heir, &sink, last).await.expect("nothing is in its way");
                check(&sink, calls);
                (died, runs) = (died + usize::from(!survived), runs + 1);
                if survived {
                    break;
                }
            }
        }
    }
    assert!(died > 20, "it died {died} times in {runs} lives");
}

/// Each stream from its first event on: repeated perhaps, never behind a later one that was not handled before.
fn check(sink: &Sink, calls: usize) {
    let handled = sink.handled.lock().expect("not poisoned");
    for stream in ["a-1", "a-2", "bad-1", "bad-2"] {
        let count = STREAMS.iter().filter(|name| **name == stream).count() as u64;
        let seen = handled.get(stream).cloned().unwrap_or_default();
        let mut reached = 0;
        for version in &seen {
            assert!(*version <= reached + 1, "call {calls}: {stream} was handled as {seen:?}");
            reached = reached.max(*version);
        }
        assert_eq!(reached, count, "call {calls}: {stream} was handled as {seen:?}");
    }
}
