use std::sync::Mutex;

use gesta::{Replay, ReplayError};
use gesta_core::{EventHandler, HandlerError, MemoryStore};

use super::*;

#[derive(Default)]
struct Seen(Mutex<Vec<u64>>);

#[async_trait::async_trait]
impl EventHandler for Seen {
    fn name(&self) -> &str {
        "seen"
    }

    fn filter(&self) -> Filter {
        Filter::of(Tenant::default())
    }

    async fn handle(&self, events: &[RecordedEvent]) -> Result<(), HandlerError> {
        if let Some(bad) = events.iter().find(|event| event.stream.category() == "bad") {
            return Err(HandlerError::Permanent(format!("{} is bad", bad.position)));
        }
        self.0.lock().expect("not poisoned").extend(events.iter().map(|event| event.position.get()));
        Ok(())
    }
}

async fn log() -> Arc<MemoryStore> {
    let store = Arc::new(MemoryStore::new());
    for n in 0..20 {
        let tenant = if n % 5 == 4 { "other" } else { "default" }.parse().expect("legal");
        let event = NewEvent::new(["odd", "even"][n % 2], "1");
        let stream = format!("a-{}", n % 3).parse().expect("legal");
        let batch = AppendBatch::to(stream, ExpectedVersion::Any, [event]).of(tenant);
        store.append(batch).await.expect("appends");
    }
    store
}

async fn replayed(replay: Replay) -> Vec<u64> {
    let seen = Arc::new(Seen::default());
    let done = replay.start(seen.clone()).await.expect("reads").finish().await.expect("comes to its end");
    let seen = seen.0.lock().expect("not poisoned").clone();
    assert_eq!(done.handled, seen.len() as u64);
    seen
}

#[tokio::test]
async fn a_replay_gives_what_passes_and_ends() {
    let store = log().await;
    let mine = || Filter::of(Tenant::default());
    let all = replayed(Replay::of(store.clone(), mine())).await;
    assert_eq!(all, (1..=20).filter(|n| n % 5 != 0).collect::<Vec<u64>>());
    let typed = replayed(Replay::of(store.clone(), mine().types(["even"]))).await;
    assert!(typed.iter().all(|n| n % 2 == 0) && typed.len() == 8, "{typed:?}");
    let stream = replayed(Replay::of(store.clone(), mine().streams(["a-1"]))).await;
    assert_eq!(stream, [2, 8, 11, 14, 17]);
    let other = replayed(Replay::of(store.clone(), Filter::of("other".parse().expect("legal")))).await;
    assert_eq!(other, [5, 10, 15, 20]);
    let part = Replay::of(store.clone(), mine()).after(Position::new(3)).up_to(Position::new(9));
    assert_eq!(replayed(part).await, [4, 6, 7, 8, 9]);
    let never = Filter { recorded_before: Some(gesta_core::Timestamp::from_micros(0)), ..mine() };
    assert_eq!(replayed(Replay::of(store, never)).await, [0; 0]);
}

#[tokio::test]
async fn what_is_appended_afterwards_is_not_part_of_it() {
    let store = log().await;
    let seen = Arc::new(Seen::default());
    let running = Replay::of(store.clone(), Filter::everything()).start(seen.clone()).await.expect("reads");
    let late = NewEvent::new("late", "1");
    let batch = AppendBatch::to("a-1".parse().expect("legal"), ExpectedVersion::Any, [late]);
    store.append(batch).await.expect("appends");
    let done = running.finish().await.expect("comes to its end");
    assert_eq!(
        (done.done, done.of, done.time_left),
        (Position::new(20), Position::new(20), Some(Duration::ZERO))
    );
}

#[tokio::test]
async fn a_handler_that_fails_ends_it_with_the_reason() {
    let store = log().await;
    let batch =
        AppendBatch::to("bad-1".parse().expect("legal"), ExpectedVersion::Any, [NewEvent::new("x", "1")]);
    store.append(batch).await.expect("appends");
    let options = ProcessorOptions { batch: 20, flush: Duration::ZERO, ..quick() };
    let replay = Replay::of(store, Filter::everything()).with(options);
    let failed = replay.start(Arc::new(Seen::default())).await.expect("reads").finish().await;
    let (stands, of) = (Position::new(20), Position::new(21));
    assert_eq!(failed, Err(ReplayError { stands, of, reason: "21 is bad".into() }));
}
