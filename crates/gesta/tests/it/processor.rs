//! The one loop: order, retry, stop, skip, pause, takeover.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use futures_util::TryStreamExt;
use gesta::{OnFailure, Processor, ProcessorHandle, ProcessorOptions, ProcessorState, Start};
use gesta_conformance::around::{Around, AroundCheckpoints};
use gesta_core::{
    AppendBatch, Checkpoint, CheckpointError, CheckpointKey, CheckpointStore, Claim, Clock, Epoch,
    EventHandler, EventStore, ExpectedVersion, Filter, HandlerError, MemoryCheckpoints, MemoryStore,
    NewEvent, Position, ReadAll, RecordedEvent, Tenant,
};
use tokio::sync::Notify;

use crate::support::{Fuse, Quiet, TokioClock, append};

/// What a call is to do.
#[derive(Clone, Copy)]
enum Act {
    FailForNow,
    Hang,
    Panic,
}

/// Remembers what it handled, does as told first, and always refuses the events of streams named `bad`.
#[derive(Default)]
struct Recorder {
    handled: Mutex<Vec<Vec<u64>>>,
    acts: Mutex<VecDeque<Act>>,
    called: Notify,
}

impl Recorder {
    fn told(acts: impl IntoIterator<Item = Act>) -> Arc<Self> {
        Arc::new(Self { acts: Mutex::new(acts.into_iter().collect()), ..Self::default() })
    }

    fn batches(&self) -> Vec<Vec<u64>> {
        self.handled.lock().expect("not poisoned").clone()
    }

    fn positions(&self) -> Vec<u64> {
        self.batches().concat()
    }
}

#[async_trait]
impl EventHandler for Recorder {
    fn name(&self) -> &str {
        "recorder"
    }

    fn filter(&self) -> Filter {
        Filter::of(Tenant::default())
    }

    async fn handle(&self, events: &[RecordedEvent]) -> Result<(), HandlerError> {
        self.called.notify_one();
        let act = self.acts.lock().expect("not poisoned").pop_front();
        match act {
            Some(Act::FailForNow) => return Err(HandlerError::Transient("not now".into())),
            Some(Act::Hang) => std::future::pending().await,
            Some(Act::Panic) => panic!("on purpose"),
            None => {}
        }
        if events.iter().any(|event| event.stream.category() == "bad") {
            return Err(HandlerError::Permanent("never".into()));
        }
        let positions = events.iter().map(|event| event.position.get()).collect();
        self.handled.lock().expect("not poisoned").push(positions);
        Ok(())
    }
}

struct Bench {
    store: Arc<MemoryStore>,
    checkpoints: Arc<MemoryCheckpoints>,
    clock: Arc<dyn Clock>,
}

impl Bench {
    fn new() -> Self {
        let clock: Arc<dyn Clock> = TokioClock::new();
        let store = Arc::new(MemoryStore::with_clock(clock.clone()));
        Self { store, checkpoints: Arc::new(MemoryCheckpoints::with_clock(clock.clone())), clock }
    }

    fn start(&self, owner: &str, recorder: &Arc<Recorder>, options: ProcessorOptions) -> ProcessorHandle {
        let (store, checkpoints) = (self.store.clone(), self.checkpoints.clone());
        Processor::new(store, checkpoints, self.clock.clone(), owner, recorder.clone()).with(options).start()
    }

    async fn saved(&self) -> u64 {
        let key = CheckpointKey::new(Tenant::default(), "recorder");
        self.checkpoints.load(&key).await.expect("loads").position.get()
    }
}

fn options() -> ProcessorOptions {
    ProcessorOptions::default()
}

async fn until(handle: &ProcessorHandle, position: u64) {
    handle.wait_for(|status| status.position >= Position::new(position)).await;
}

#[tokio::test(start_paused = true)]
async fn handles_everything_in_order_and_goes_on_where_it_stopped() {
    let bench = Bench::new();
    append(&*bench.store, &["a-1"; 250]).await;
    let recorder = Recorder::told([]);
    let running = bench.start("one", &recorder, options());
    until(&running, 250).await;
    let status = running.stop().await;
    assert_eq!(status.state, ProcessorState::Stopped { reason: None });
    assert_eq!((status.handled, status.lag_events, bench.saved().await), (250, 0, 250));
    append(&*bench.store, &["a-1"; 3]).await;
    let again = bench.start("one", &recorder, options());
    until(&again, 253).await;
    assert_eq!(recorder.positions(), (1..=253).collect::<Vec<_>>());
    assert!(recorder.batches().iter().all(|batch| batch.len() <= 100));
}

#[tokio::test(start_paused = true)]
async fn a_partial_batch_waits_for_the_flush() {
    let bench = Bench::new();
    let recorder = Recorder::told([]);
    let running = bench.start("one", &recorder, options());
    append(&*bench.store, &["a-1"]).await;
    tokio::time::advance(Duration::from_millis(60)).await;
    append(&*bench.store, &["a-1"]).await;
    until(&running, 2).await;
    append(&*bench.store, &["a-1"]).await;
    until(&running, 3).await;
    assert_eq!(recorder.batches(), [vec![1, 2], vec![3]]);
}

#[tokio::test(start_paused = true)]
async fn a_transient_failure_is_tried_again_and_shown() {
    let bench = Bench::new();
    append(&*bench.store, &["a-1"]).await;
    let recorder = Recorder::told([Act::FailForNow; 5]);
    let running = bench.start("one", &recorder, options());
    let retrying =
        |status: &gesta::ProcessorStatus| matches!(status.state, ProcessorState::Retrying { attempt: 3, .. });
    let status = running.wait_for(retrying).await;
    assert_eq!((status.failures, status.last_error.as_deref()), (3, Some("not now")));
    assert_eq!(bench.saved().await, 0);
    until(&running, 1).await;
    assert_eq!((recorder.positions(), running.status().failures), (vec![1], 5));
}

#[tokio::test(start_paused = true)]
async fn a_permanent_failure_stops_it_with_the_reason_and_leaves_nothing_out() {
    let bench = Bench::new();
    append(&*bench.store, &["a-1"]).await;
    let recorder = Recorder::told([]);
    let running = bench.start("one", &recorder, options());
    until(&running, 1).await;
    append(&*bench.store, &["bad-1", "a-1"]).await;
    let status = running.wait_for(|status| matches!(status.state, ProcessorState::Stopped { .. })).await;
    assert_eq!(status.state, ProcessorState::Stopped { reason: Some("never".into()) });
    assert_eq!((recorder.positions(), bench.saved().await), (vec![1], 1));
}

#[tokio::test(start_paused = true)]
async fn attempts_that_run_out_and_panics_are_permanent() {
    for acts in [vec![Act::FailForNow; 3], vec![Act::Panic]] {
        let bench = Bench::new();
        append(&*bench.store, &["a-1"]).await;
        let recorder = Recorder::told(acts);
        let running = bench.start("one", &recorder, ProcessorOptions { attempts: Some(3), ..options() });
        let status = running.wait_for(|status| matches!(status.state, ProcessorState::Stopped { .. })).await;
        assert!(matches!(status.state, ProcessorState::Stopped { reason: Some(_) }));
        assert_eq!(bench.saved().await, 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_skipped_event_is_a_recorded_decision() {
    let bench = Bench::new();
    append(&*bench.store, &["a-1", "bad-1", "a-1"]).await;
    let recorder = Recorder::told([]);
    let skipping = ProcessorOptions { on_failure: OnFailure::Skip, ..options() };
    let running = bench.start("one", &recorder, skipping);
    until(&running, 3).await;
    assert_eq!((recorder.positions(), running.status().skipped), (vec![1, 3], 1));
    let filter = Filter::of(Tenant::default()).types(["gesta.processor.parked"]).with_system();
    let skipped: Vec<_> = bench.store.read_all(ReadAll::of(filter)).try_collect().await.expect("reads");
    assert_eq!(skipped.len(), 1);
    assert_eq!(skipped[0].stream.as_str(), "$processor-recorder");
}

#[tokio::test(start_paused = true)]
async fn a_pause_loses_nothing_wherever_it_comes() {
    let bench = Bench::new();
    let recorder = Recorder::told([]);
    let running = bench.start("one", &recorder, options());
    for round in 0..20 {
        append(&*bench.store, &["a-1"]).await;
        // Some of these fall into the wait for a full batch.
        tokio::time::sleep(Duration::from_millis(round * 10)).await;
        running.pause();
        running.wait_for(|status| status.state == ProcessorState::Paused).await;
        let before = recorder.positions();
        append(&*bench.store, &["a-1"]).await;
        tokio::time::sleep(Duration::from_secs(3)).await;
        assert_eq!(recorder.positions(), before, "nothing is handled during a pause");
        running.resume();
    }
    until(&running, 40).await;
    assert_eq!(recorder.positions(), (1..=40).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn another_process_takes_over_when_it_ends() {
    let bench = Bench::new();
    append(&*bench.store, &["a-1"]).await;
    let recorder = Recorder::told([]);
    let first = bench.start("one", &recorder, options());
    until(&first, 1).await;
    let second = bench.start("two", &recorder, options());
    second
        .wait_for(|status| {
            status.last_error.is_none()
                && matches!(&status.state, ProcessorState::Waiting { reason } if reason.contains("one"))
        })
        .await;
    first.stop().await;
    append(&*bench.store, &["a-1"]).await;
    until(&second, 2).await;
    assert_eq!(recorder.positions(), [1, 2]);
}

#[tokio::test(start_paused = true)]
async fn a_zombie_saves_nothing() {
    let bench = Bench::new();
    append(&*bench.store, &["a-1"]).await;
    let zombie = Recorder::told([Act::Hang]);
    // It claims, lets go, claims and saves where it begins; every later call hangs, as for a process that sleeps.
    let calls = Arc::new(AtomicUsize::new(5));
    let asleep = Fuse::new(bench.checkpoints.clone(), calls.clone(), false);
    let (store, clock) = (bench.store.clone(), bench.clock.clone());
    let first = Processor::new(store, asleep, clock, "one", zombie.clone()).start();
    zombie.called.notified().await;
    let epoch = first.status().epoch;

    let recorder = Recorder::told([]);
    let second = bench.start("two", &recorder, options());
    until(&second, 1).await;
    assert!(second.status().epoch > epoch);
    calls.store(1_000, Ordering::SeqCst);
    let key = CheckpointKey::new(Tenant::default(), "recorder");
    let stale = bench.checkpoints.save(&key, epoch, Default::default()).await;
    assert!(stale.is_err());
    assert_eq!((bench.saved().await, recorder.positions()), (1, vec![1]));
}

#[tokio::test(start_paused = true)]
async fn a_processor_whose_claim_ran_out_drops_its_work_and_waits() {
    let bench = Bench::new();
    append(&*bench.store, &["a-1"]).await;
    let slow = Recorder::told([Act::Hang]);
    let first = bench.start("one", &slow, options());
    slow.called.notified().await;
    let key = CheckpointKey::new(Tenant::default(), "recorder");
    bench.checkpoints.release(&key, first.status().epoch).await.expect("releases");
    let taken = bench.checkpoints.claim(&key, "two", Duration::from_secs(60)).await.expect("claims");
    first
        .wait_for(
            |status| matches!(&status.state, ProcessorState::Waiting { reason } if reason.contains("two")),
        )
        .await;
    bench.checkpoints.release(&key, taken.epoch).await.expect("releases");
    until(&first, 1).await;
    assert_eq!(slow.positions(), [1], "once it runs again it handles the batch again");
}

#[tokio::test(start_paused = true)]
async fn a_stop_waits_for_the_handler_no_longer_than_its_grace() {
    let bench = Bench::new();
    append(&*bench.store, &["a-1"]).await;
    let recorder = Recorder::told([Act::Hang]);
    let running = bench.start("one", &recorder, options());
    recorder.called.notified().await;
    let before = tokio::time::Instant::now();
    running.stop().await;
    assert!((Duration::from_secs(10)..Duration::from_secs(11)).contains(&before.elapsed()));
    assert_eq!(bench.saved().await, 0);
}

#[tokio::test(start_paused = true)]
async fn a_start_at_the_head_is_settled_once() {
    let bench = Bench::new();
    let recorder = Recorder::told([]);
    let at_head = ProcessorOptions { start: Start::Head, ..options() };
    let running = bench.start("one", &recorder, at_head.clone());
    running.wait_for(|status| status.state == ProcessorState::Running).await;
    running.stop().await;
    append(&*bench.store, &["a-1"]).await;
    let running = bench.start("one", &recorder, at_head);
    until(&running, 1).await;
    assert_eq!(recorder.positions(), [1]);
}

#[tokio::test(start_paused = true)]
async fn a_lost_wakeup_loses_nothing() {
    let bench = Bench::new();
    let recorder = Recorder::told([]);
    let quiet = Quiet::new(bench.store.clone());
    let running =
        Processor::new(quiet, bench.checkpoints.clone(), bench.clock.clone(), "one", recorder.clone())
            .start();
    running.wait_for(|status| status.state == ProcessorState::Running).await;
    for count in 1..=5 {
        append(&*bench.store, &["a-1"]).await;
        tokio::time::timeout(Duration::from_secs(3), until(&running, count)).await.expect("a poll finds it");
    }
    assert_eq!(recorder.positions(), [1, 2, 3, 4, 5]);
}

#[tokio::test(start_paused = true)]
async fn a_kill_at_any_call_loses_nothing_and_repeats_only_what_was_not_saved() {
    for late in [false, true] {
        for calls in 1..=8 {
            let bench = Bench::new();
            append(&*bench.store, &["a-1"; 6]).await;
            let recorder = Recorder::told([]);
            let dying = Fuse::new(bench.checkpoints.clone(), Arc::new(AtomicUsize::new(calls)), late);
            let small = ProcessorOptions { batch: 2, ..options() };
            let first =
                Processor::new(bench.store.clone(), dying, bench.clock.clone(), "one", recorder.clone());
            let first = first.with(small.clone()).start();
            let end = first.wait_for(|status| status.position >= Position::new(6));
            let died = tokio::time::timeout(Duration::from_secs(3), end).await.is_err();
            drop(first);
            let (before, saved) = (recorder.positions(), bench.saved().await);
            assert!(died == (calls < 8), "call {calls}");

            let heir = Recorder::told([]);
            let second = bench.start("two", &heir, small);
            tokio::time::timeout(Duration::from_secs(60), until(&second, 6)).await.expect("takes over");
            assert_eq!(heir.positions(), (saved + 1..=6).collect::<Vec<_>>(), "call {calls}");
            assert!(
                before.iter().max().copied().unwrap_or(0) >= saved,
                "nothing is saved before it is handled"
            );
        }
    }
}

/// Takes every claim away as soon as something is saved under it.
struct Contested(Arc<MemoryCheckpoints>, AtomicUsize);

#[async_trait]
impl AroundCheckpoints for Contested {
    fn checkpoints(&self) -> &dyn CheckpointStore {
        &*self.0
    }
    async fn claim(&self, key: &CheckpointKey, owner: &str, ttl: Duration) -> Result<Claim, CheckpointError> {
        self.1.fetch_add(1, Ordering::SeqCst);
        self.0.claim(key, owner, ttl).await
    }
    async fn save(&self, key: &CheckpointKey, epoch: Epoch, _: Checkpoint) -> Result<(), CheckpointError> {
        Err(CheckpointError::Stale { key: key.clone(), stale: epoch, current: Epoch(epoch.0 + 1) })
    }
}

#[tokio::test(start_paused = true)]
async fn a_checkpoint_that_is_taken_again_and_again_is_not_claimed_in_a_busy_loop() {
    let bench = Bench::new();
    let contested = Arc::new(Around(Contested(bench.checkpoints.clone(), AtomicUsize::default())));
    let recorder = Recorder::told([]);
    let (store, clock) = (bench.store.clone(), bench.clock.clone());
    let running = Processor::new(store, contested.clone(), clock, "one", recorder).start();
    tokio::time::sleep(Duration::from_secs(100)).await;
    let claims = contested.0.1.load(Ordering::SeqCst);
    assert!((4..200).contains(&claims), "{claims} claims in 100 s");
    assert_eq!(running.stop().await.state, ProcessorState::Stopped { reason: None });
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_waits_for_more_keeps_its_bound_in_bytes() {
    let bench = Bench::new();
    for _ in 0..30 {
        let event = NewEvent::new("x", format!("\"{}\"", "x".repeat(900_000)));
        let stream = "a-1".parse().expect("legal");
        let batch = AppendBatch::to(stream, ExpectedVersion::Any, [event]);
        bench.store.append(batch).await.expect("appends");
    }
    let recorder = Recorder::told([]);
    let running = bench.start("one", &recorder, options());
    until(&running, 30).await;
    let longest = recorder.batches().iter().map(Vec::len).max();
    assert_eq!(longest, Some(10), "8 MiB of 900,000 bytes each");
}

#[tokio::test(start_paused = true)]
async fn an_event_whose_attempts_run_out_is_left_out_with_all_of_them() {
    let bench = Bench::new();
    append(&*bench.store, &["a-1", "a-2"]).await;
    // The batch fails three times, then its first event alone, which under another claim is not tried once more.
    let recorder = Recorder::told([Act::FailForNow; 6]);
    let skipping = ProcessorOptions { on_failure: OnFailure::Skip, attempts: Some(3), ..options() };
    let running = bench.start("one", &recorder, skipping);
    until(&running, 2).await;
    assert_eq!((recorder.positions(), running.status().skipped), (vec![2], 1));
    let filter = Filter::of(Tenant::default()).types(["gesta.processor.parked"]).with_system();
    let parked: Vec<_> = bench.store.read_all(ReadAll::of(filter)).try_collect().await.expect("reads");
    let parked = String::from_utf8_lossy(&parked[0].data).into_owned();
    assert!(parked.contains("3 attempts failed, the last one: not now"), "{parked}");
}
