//! Law 3: of concurrent appends with one expected version exactly one wins.

use gesta_core::{AppendBatch, AppendError, ExpectedVersion, Tenant, Version};

use crate::{
    Backend,
    given::{append, event, events, events_of, exact, stream},
};

async fn race(backend: &dyn Backend, writers: u64, id: &'static str, expected: ExpectedVersion) -> Version {
    let store = backend.store(&Tenant::default()).await;
    let before = events_of(&store, id).await.len() as u64;
    let racing: Vec<_> = (0..writers)
        .map(|writer| {
            let store = store.clone();
            let batch = AppendBatch::to(stream(id), expected, [event(writer)]);
            tokio::spawn(async move { store.append(batch).await })
        })
        .collect();
    let mut won = Vec::new();
    for writer in racing {
        match writer.await.expect("the writer is answered") {
            Ok(appended) => won.push(appended),
            Err(AppendError::Conflict(conflict)) => {
                assert_eq!((conflict.expected, conflict.actual.get()), (expected, before + 1));
            }
            Err(other) => panic!("neither won nor lost: {other}"),
        }
    }
    assert_eq!(won.len(), 1, "of {writers} writers {} won", won.len());
    let stored = events_of(&store, id).await;
    assert_eq!(stored.len() as u64, before + 1);
    assert_eq!(stored.last().map(|event| event.id), Some(won[0].last().id));
    won[0].last().version
}

/// Two hundred writers expect the same version of one stream.
pub async fn of_two_hundred_writers_exactly_one_wins(backend: &dyn Backend) {
    let store = backend.store(&Tenant::default()).await;
    append(&store, AppendBatch::to(stream("race-1"), ExpectedVersion::NoStream, events(3))).await;
    assert_eq!(race(backend, 200, "race-1", exact(3)).await.get(), 4);
}

/// Forty writers expect that the stream does not exist.
pub async fn only_one_creates_a_stream(backend: &dyn Backend) {
    assert_eq!(race(backend, 40, "race-1", ExpectedVersion::NoStream).await.get(), 1);
}

/// Writers who read, decide and append again until they win lose no update: ten counters of ten.
pub async fn writers_who_decide_again_lose_no_update(backend: &dyn Backend) {
    let store = backend.store(&Tenant::default()).await;
    let writers: Vec<_> = (0..10)
        .map(|_| {
            let store = store.clone();
            tokio::spawn(async move {
                for _ in 0..10 {
                    count_up(&store).await;
                }
            })
        })
        .collect();
    for writer in writers {
        writer.await.expect("every writer wins in the end");
    }
    let counted: Vec<_> = events_of(&store, "count-1").await.iter().map(|event| event.data.clone()).collect();
    let wanted: Vec<_> = (1..=100).map(|n| bytes::Bytes::from(format!("{{\"n\":{n}}}"))).collect();
    assert_eq!(counted, wanted);
}

async fn count_up(store: &std::sync::Arc<dyn gesta_core::EventStore>) {
    loop {
        let version = events_of(store, "count-1").await.len() as u64;
        let batch = AppendBatch::to(stream("count-1"), exact(version), [event(version + 1)]);
        match store.append(batch).await {
            Ok(_) => return,
            Err(AppendError::Conflict(conflict)) => assert!(conflict.actual.get() > version),
            Err(other) => panic!("{other}"),
        }
    }
}

/// In a batch over two streams both expectations are raced for together.
pub async fn a_batch_wins_all_its_streams_or_none(backend: &dyn Backend) {
    let store = backend.store(&Tenant::default()).await;
    let batch = |n| {
        AppendBatch::to(stream("pair-1"), ExpectedVersion::NoStream, [event(n)]).and(
            stream("pair-2"),
            ExpectedVersion::NoStream,
            [event(n)],
        )
    };
    if !store.capabilities().multi_stream {
        let error = store.append(batch(0)).await.expect_err("not offered");
        assert!(matches!(error, AppendError::Unsupported { .. }), "{error}");
        return;
    }
    let racing: Vec<_> = (0..20)
        .map(|n| {
            let (store, batch) = (store.clone(), batch(n));
            tokio::spawn(async move { store.append(batch).await.is_ok() })
        })
        .collect();
    let mut won = 0;
    for writer in racing {
        won += usize::from(writer.await.expect("answered"));
    }
    let (one, two) = (events_of(&store, "pair-1").await, events_of(&store, "pair-2").await);
    assert_eq!((won, one.len(), two.len()), (1, 1, 1));
    assert_eq!(one[0].data, two[0].data);
}
