//! G10: whatever dies when, each stream is handled in order, and nothing leaves but by success or a decision.

use std::{
    sync::{Arc, atomic::AtomicUsize},
    time::Duration,
};

use gesta::{OnFailure, ProcessorOptions, Processors};
use gesta_core::{CheckpointStore, EventStore, MemoryCheckpoints, MemoryStore, Position, SystemClock};

use crate::support::{Fuse, PATIENCE, Sink, append, settle};

const STREAMS: [&str; 9] = ["bad-1", "a-1", "bad-1", "bad-2", "a-1", "bad-1", "bad-2", "a-2", "bad-1"];

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
        sink.mend();
        settle(processors).await
    };
    tokio::time::timeout(PATIENCE, life).await.ok().flatten()
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
    let handled = sink.handled();
    for stream in ["a-1", "a-2", "bad-1", "bad-2"] {
        let count = STREAMS.iter().filter(|name| **name == stream).count() as u64;
        let of_it = handled.iter().filter_map(|place| place.strip_prefix(stream)?.strip_prefix('@'));
        let seen: Vec<u64> = of_it.map(|version| version.parse().expect("a number")).collect();
        let mut reached = 0;
        for version in &seen {
            assert!(*version <= reached + 1, "call {calls}: {stream} was handled as {seen:?}");
            reached = reached.max(*version);
        }
        assert_eq!(reached, count, "call {calls}: {stream} was handled as {seen:?}");
    }
}
