//! Law 4: the versions of a stream are 1, 2, 3 … without a gap.

use gesta_core::{AppendBatch, ExpectedVersion, Tenant};

use crate::{
    Backend, Dice,
    given::{append, event, events, events_of, exact, stream},
};

/// Eight writers to three streams, refused appends between: the versions are 1 to n all the same.
pub async fn under_concurrent_writers_and_refusals(backend: &dyn Backend) {
    let store = backend.store(&Tenant::default()).await;
    let mut dice = Dice::of(4);
    let writers: Vec<_> = (0..8)
        .map(|_| {
            let (store, mut dice) = (store.clone(), dice.split());
            tokio::spawn(async move {
                for _ in 0..20 {
                    let id = format!("gap-{}", dice.below(3));
                    let expected = if dice.chance(1, 3) { exact(9_999) } else { ExpectedVersion::Any };
                    let batch = AppendBatch::to(stream(&id), expected, events(dice.between(1, 4)));
                    assert_eq!(store.append(batch).await.is_ok(), expected == ExpectedVersion::Any);
                }
            })
        })
        .collect();
    for writer in writers {
        writer.await.expect("the writer finishes");
    }
    for id in ["gap-0", "gap-1", "gap-2"] {
        let versions: Vec<_> = events_of(&store, id).await.iter().map(|event| event.version.get()).collect();
        assert_eq!(versions, (1..=versions.len() as u64).collect::<Vec<_>>(), "{id}");
        assert!(!versions.is_empty());
    }
}

/// A stream's version goes on where it was when the store was closed.
pub async fn across_a_reopening(backend: &dyn Backend) {
    let store = backend.store(&Tenant::default()).await;
    append(&store, AppendBatch::to(stream("gap-1"), ExpectedVersion::NoStream, events(3))).await;
    drop(store);
    backend.reopen().await;
    let store = backend.store(&Tenant::default()).await;
    let next = append(&store, AppendBatch::to(stream("gap-1"), exact(3), [event(3)])).await;
    assert_eq!(next.last().version.get(), 4);
    assert_eq!(events_of(&store, "gap-1").await.len(), 4);
}
