//! Law 6: a readable position never gains an earlier neighbour, and never changes.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use gesta_core::{AppendBatch, EventStore, ExpectedVersion, Position, RecordedEvent, Tenant};

use crate::{
    Backend,
    given::{append, events, head, log_after, stream},
};

/// A reader that reads on from the last position it saw, and one that reads all again, see one and the same log.
pub async fn reading_on_equals_reading_again(backend: &dyn Backend) {
    let store = backend.store(&Tenant::default()).await;
    let before = head(&store).await;
    let done = Arc::new(AtomicBool::new(false));
    let reader = tokio::spawn(follow(store.clone(), before, done.clone()));
    let writers: Vec<_> = (0..6)
        .map(|writer| {
            let store = store.clone();
            tokio::spawn(async move {
                for _ in 0..15 {
                    let to = stream(&format!("final-{writer}"));
                    append(&store, AppendBatch::to(to, ExpectedVersion::Any, events(3))).await;
                }
            })
        })
        .collect();
    for writer in writers {
        writer.await.expect("the writer finishes");
    }
    done.store(true, Ordering::SeqCst);
    let followed = reader.await.expect("the reader saw one log");
    assert_eq!(followed.len(), 6 * 15 * 3);
    assert_eq!(followed, log_after(&store, before).await);
}

async fn follow(store: Arc<dyn EventStore>, before: Position, done: Arc<AtomicBool>) -> Vec<RecordedEvent> {
    let mut followed: Vec<RecordedEvent> = Vec::new();
    loop {
        let last = done.load(Ordering::SeqCst);
        let after = followed.last().map_or(before, |event| event.position);
        followed.extend(log_after(&store, after).await);
        let again = log_after(&store, before).await;
        assert!(again.is_sorted_by_key(|event| event.position), "a read is not in the order of the log");
        assert!(again.starts_with(&followed), "what was read before is not what is read now");
        if last {
            return followed;
        }
        tokio::task::yield_now().await;
    }
}

/// The head never goes back, and everything up to it can be read.
pub async fn everything_up_to_the_head_can_be_read(backend: &dyn Backend) {
    let store = backend.store(&Tenant::default()).await;
    let before = head(&store).await;
    let writing = {
        let store = store.clone();
        tokio::spawn(async move {
            for _ in 0..40 {
                append(&store, AppendBatch::to(stream("head-1"), ExpectedVersion::Any, events(2))).await;
            }
        })
    };
    let mut last = before;
    while last.get() < before.get() + 80 {
        let now = head(&store).await;
        assert!(now >= last, "the head went back from {last} to {now}");
        let read = log_after(&store, before).await;
        let seen = read.last().map_or(before, |event| event.position);
        assert!(seen >= now, "the head is {now}, a later read ends at {seen}");
        last = now;
        tokio::task::yield_now().await;
    }
    writing.await.expect("the writer finishes");
}

/// Every byte of every event is the same after the store was closed and opened.
pub async fn nothing_changes_across_a_reopening(backend: &dyn Backend) {
    let store = backend.store(&Tenant::default()).await;
    let before = head(&store).await;
    for n in 0..20 {
        let to = stream(&format!("final-{}", n % 3));
        append(&store, AppendBatch::to(to, ExpectedVersion::Any, events(5))).await;
    }
    let read = log_after(&store, before).await;
    drop(store);
    backend.reopen().await;
    let store = backend.store(&Tenant::default()).await;
    assert_eq!(log_after(&store, before).await, read);
    assert_eq!(read.len(), 100);
}
