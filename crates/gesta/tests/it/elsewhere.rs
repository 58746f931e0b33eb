//! Several processes on one log: what one of them is told, or waits for, while something goes wrong.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use futures_util::{StreamExt, stream};
use gesta::{OnFailure, ProcessorOptions, Processors};
use gesta_conformance::around::{Around, AroundStore};
use gesta_core::{
    AppendBatch, AppendError, Appended, EventStore, EventStream, ExpectedVersion, MemoryCheckpoints,
    MemoryStore, NewEvent, Position, ReadAll, ReadError, SystemClock,
};

use crate::support::{Sink, TokioClock, append};

const PATIENCE: Duration = Duration::from_secs(120);

/// A log that takes its time to record a reset, and at times cannot be read once.
#[derive(Default)]
struct Troubled {
    inner: MemoryStore,
    /// In seconds.
    delay: AtomicU64,
    fails: AtomicBool,
}

impl Troubled {
    async fn wait_out(&self) {
        tokio::time::sleep(Duration::from_secs(self.delay.load(Ordering::SeqCst))).await;
    }
}

#[async_trait]
impl AroundStore for Troubled {
    fn store(&self) -> &dyn EventStore {
        &self.inner
    }

    async fn append(&self, batch: AppendBatch) -> Result<Appended, AppendError> {
        let mut events = batch.appends.iter().flat_map(|stream| &stream.events);
        if events.any(|event| &*event.event_type == "gesta.processor.reset") {
            self.wait_out().await;
        }
        self.inner.append(batch).await
    }

    fn read_all(&self, read: ReadAll) -> EventStream {
        if self.fails.swap(false, Ordering::SeqCst) {
            let failed = ReadError::Unavailable { reason: "the connection is gone".into() };
            return stream::iter([Err(failed)]).boxed();
        }
        self.inner.read_all(read)
    }
}

/// A log, checkpoints, and a handler that several processes have.
struct World {
    log: Arc<Around<Troubled>>,
    checkpoints: Arc<MemoryCheckpoints>,
    sink: Arc<Sink>,
}

impl World {
    fn new() -> Self {
        let checkpoints = Arc::new(MemoryCheckpoints::with_clock(TokioClock::new()));
        Self { log: Arc::default(), checkpoints, sink: Arc::default() }
    }

    async fn process(&self, owner: &str) -> Arc<Processors> {
        let processors =
            Processors::new(self.log.clone(), self.checkpoints.clone(), Arc::new(SystemClock), owner);
        let options = ProcessorOptions { on_failure: OnFailure::Skip, ..ProcessorOptions::default() };
        processors.add_handler(self.sink.clone(), options).await.expect("adds");
        Arc::new(processors)
    }
}

/// Time stands still but for who waits: so the other process tries for the checkpoint whenever it can.
#[tokio::test(start_paused = true)]
async fn a_reset_loses_nothing_that_was_held_however_long_it_takes() {
    for delay in [0, 10, 20, 40] {
        let world = World::new();
        let (one, two) = (world.process("one").await, world.process("two").await);
        one.start_all().await.expect("starts");
        append(&*world.log, &["bad-1", "bad-1", "a-1"]).await;
        one.wait_for("sink", Position::new(3), PATIENCE).await.expect("leaves it out");
        two.start_all().await.expect("starts");
        world.sink.mend();
        world.log.delay.store(delay, Ordering::SeqCst);
        one.reset("sink").await.expect("resets");
        let all = async {
            loop {
                let handled = world.sink.handled();
                if ["bad-1@1", "bad-1@2"].iter().all(|place| handled.iter().any(|found| found == place)) {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        let handled = tokio::time::timeout(PATIENCE, all).await;
        handled.unwrap_or_else(|_| panic!("after {delay} s: {:?}", world.sink.handled()));
        assert_eq!(one.dead_letters("sink").await, Ok(vec![]));
        one.shutdown().await;
        two.shutdown().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_wait_for_another_process_survives_a_log_that_cannot_be_read_once() {
    let world = World::new();
    let (one, two) = (world.process("one").await, world.process("two").await);
    one.start_all().await.expect("starts");
    append(&*world.log, &["a-1"]).await;
    one.wait_for("sink", Position::new(1), PATIENCE).await.expect("handles it");
    let _following = two.follow(Duration::from_secs(3_600));
    let seen = async {
        while two.get("sink").expect("is there").owner.as_deref() != Some("one") {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, seen).await.expect("looks at once");
    // What is not for it moves its place, which is not saved each time.
    let foreign =
        AppendBatch::to("a-1".parse().expect("legal"), ExpectedVersion::Any, [NewEvent::new("x", "1")]);
    let foreign = foreign.of("other".parse().expect("legal"));
    let position = world.log.append(foreign).await.expect("appends").last().position;
    world.log.fails.store(true, Ordering::SeqCst);
    two.wait_for("sink", position, PATIENCE).await.expect("gets there");
    assert!(!world.log.fails.load(Ordering::SeqCst), "nothing failed");
    one.shutdown().await;
}
