//! Law 1: all of a batch is readable, contiguous, or nothing is.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use gesta_core::{AppendBatch, AppendError, EventStore, ExpectedVersion, NewEvent, Position, Tenant};

use crate::{
    Backend,
    given::{append, event, events, events_of, exact, head, log_after, refused, stream},
};

/// Ten events of one batch stand behind each other, in the batch's order.
pub async fn a_batch_is_contiguous_and_in_order(backend: &dyn Backend) {
    let store = backend.store(&Tenant::default()).await;
    let before = head(&store).await;
    let batch = AppendBatch::to(stream("atom-1"), ExpectedVersion::NoStream, events(10));
    let ids: Vec<_> = batch.events().map(|(_, event)| event.id).collect();
    let appended = append(&store, batch).await;
    let read = log_after(&store, before).await;
    assert_eq!(read.iter().map(|event| event.id).collect::<Vec<_>>(), ids);
    assert_eq!(appended.events.iter().map(|event| event.id).collect::<Vec<_>>(), ids);
    for (at, (read, placed)) in read.iter().zip(&appended.events).enumerate() {
        assert_eq!(read.position.get(), before.get() + 1 + at as u64);
        assert_eq!(
            (read.position, read.version, read.recorded_at),
            (placed.position, placed.version, placed.recorded_at)
        );
    }
}

/// A conflict on one stream keeps the whole batch out, the streams before and behind it too.
pub async fn a_conflict_on_one_stream_keeps_all_out(backend: &dyn Backend) {
    let store = backend.store(&Tenant::default()).await;
    let before = head(&store).await;
    let batch = AppendBatch::to(stream("atom-1"), ExpectedVersion::Any, events(2))
        .and(stream("atom-2"), exact(7), events(2))
        .and(stream("atom-3"), ExpectedVersion::Any, events(2));
    let error = refused(&store, batch).await;
    match (store.capabilities().multi_stream, &error) {
        (true, AppendError::Conflict(conflict)) => {
            assert_eq!((conflict.stream.as_str(), conflict.actual.get()), ("atom-2", 0));
            assert_eq!(conflict.expected, exact(7));
        }
        (false, AppendError::Unsupported { .. }) => {}
        _ => panic!("{error}"),
    }
    assert_eq!(head(&store).await, before);
    for id in ["atom-1", "atom-2", "atom-3"] {
        assert!(events_of(&store, id).await.is_empty(), "{id}");
    }
}

/// One illegal event keeps the whole batch out.
pub async fn an_illegal_event_keeps_all_out(backend: &dyn Backend) {
    let store = backend.store(&Tenant::default()).await;
    let before = head(&store).await;
    let batch = [event(0), NewEvent { schema_version: 0, ..event(1) }, event(2)];
    let error = refused(&store, AppendBatch::to(stream("atom-1"), ExpectedVersion::Any, batch)).await;
    assert!(matches!(error, AppendError::Invalid(_)), "{error}");
    assert_eq!(head(&store).await, before);
    assert!(events_of(&store, "atom-1").await.is_empty());
}

/// A stream may come twice in a batch: the later append sees the earlier one.
pub async fn a_stream_may_come_twice_in_a_batch(backend: &dyn Backend) {
    let store = backend.store(&Tenant::default()).await;
    let before = head(&store).await;
    let batch = AppendBatch::to(stream("atom-1"), ExpectedVersion::NoStream, [event(1), event(2)])
        .and(stream("atom-2"), ExpectedVersion::NoStream, [event(3)])
        .and(stream("atom-1"), exact(2), [event(4)]);
    if !store.capabilities().multi_stream {
        assert!(matches!(refused(&store, batch).await, AppendError::Unsupported { .. }));
        return;
    }
    let versions = |appended: gesta_core::Appended| -> Vec<u64> {
        appended.events.iter().map(|event| event.version.get()).collect()
    };
    assert_eq!(versions(append(&store, batch).await), [1, 2, 1, 3]);
    let read = log_after(&store, before).await;
    assert_eq!(
        read.iter().map(|event| event.stream.as_str()).collect::<Vec<_>>(),
        ["atom-1", "atom-1", "atom-2", "atom-1"]
    );
    let stale =
        AppendBatch::to(stream("atom-1"), exact(3), [event(5)]).and(stream("atom-1"), exact(3), [event(6)]);
    let AppendError::Conflict(conflict) = refused(&store, stale).await else { panic!("not a conflict") };
    assert_eq!(conflict.actual.get(), 4, "the second append sees the first");
    assert_eq!(events_of(&store, "atom-1").await.len(), 3);
}

/// Readers at full speed never see part of a batch while four writers append.
pub async fn readers_at_full_speed_never_see_part_of_a_batch(backend: &dyn Backend) {
    let store = backend.store(&Tenant::default()).await;
    let streams: u64 = if store.capabilities().multi_stream { 3 } else { 1 };
    let before = head(&store).await;
    let done = Arc::new(AtomicBool::new(false));
    let readers: Vec<_> =
        (0..2).map(|_| tokio::spawn(watch(store.clone(), before, done.clone(), streams))).collect();
    let writers: Vec<_> = (0..4)
        .map(|writer| {
            let store = store.clone();
            tokio::spawn(async move {
                for round in 0..15 {
                    append(&store, tagged(writer * 100 + round, streams)).await;
                }
            })
        })
        .collect();
    for writer in writers {
        writer.await.expect("the writer finishes");
    }
    done.store(true, Ordering::SeqCst);
    for reader in readers {
        assert!(reader.await.expect("the reader saw whole batches") > 0, "nothing was read");
    }
    assert_eq!(log_after(&store, before).await.len() as u64, 60 * 4 * streams);
}

/// A batch of four events a stream, each tagged with the batch's number.
fn tagged(number: u64, streams: u64) -> AppendBatch {
    let four = || (0..4).map(move |_| event(number));
    let name = |at: u64| stream(&format!("full-{at}"));
    let first = AppendBatch::to(name(0), ExpectedVersion::Any, four());
    (1..streams).fold(first, |batch, at| batch.and(name(at), ExpectedVersion::Any, four()))
}

async fn watch(store: Arc<dyn EventStore>, before: Position, done: Arc<AtomicBool>, streams: u64) -> usize {
    let mut reads = 0;
    loop {
        let last = done.load(Ordering::SeqCst);
        // The last stream of a batch is read before the first: what the earlier read saw, the later must see.
        let late = events_of(&store, &format!("full-{}", streams - 1)).await;
        let early = events_of(&store, "full-0").await;
        assert!(early.len() >= late.len(), "a batch is in one of its streams and not in the other");
        let mut counts: HashMap<_, u64> = HashMap::new();
        let log = log_after(&store, before).await;
        log.iter().for_each(|event| *counts.entry(event.data.clone()).or_default() += 1);
        assert!(counts.values().all(|count| *count == 4 * streams), "part of a batch was read");
        for batch in log.chunks(usize::try_from(4 * streams).expect("small")) {
            assert!(batch.iter().all(|event| event.data == batch[0].data), "a batch is not contiguous");
        }
        reads += 1;
        if last {
            return reads;
        }
        tokio::task::yield_now().await;
    }
}
