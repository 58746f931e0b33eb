//! Law 7: nothing is readable before it is durable. What a kill proves of it is proved by `cargo xtask faults`.

use gesta_core::{AppendError, Tenant};

use crate::{
    Backend,
    given::{append, event, events_of, head, log_after, one},
};

/// A durable reply names the store's class, and what it acknowledges can be read at once.
pub async fn a_durable_reply_says_its_class_and_is_readable(backend: &dyn Backend) {
    let store = backend.store(&Tenant::default()).await;
    for n in 0..20 {
        let appended = append(&store, one("sync-1", event(n))).await;
        assert_eq!(appended.durability, Some(store.capabilities().durability));
        assert!(head(&store).await >= appended.last().position);
        assert_eq!(events_of(&store, "sync-1").await.last().map(|e| e.id), Some(appended.last().id));
    }
}

/// A relaxed reply promises nothing, and says so; what it was about becomes readable soon, whole and in order.
pub async fn a_relaxed_reply_promises_nothing_and_becomes_readable(backend: &dyn Backend) {
    let store = backend.store(&Tenant::default()).await;
    let before = head(&store).await;
    if !store.capabilities().relaxed {
        let error = store.append(one("lax-1", event(0)).relaxed()).await.expect_err("not offered");
        assert!(matches!(error, AppendError::Unsupported { .. }), "{error}");
        return;
    }
    let mut placed = Vec::new();
    for n in 0..20 {
        let appended = append(&store, one("lax-1", event(n)).relaxed()).await;
        assert_eq!(appended.durability, None);
        placed.push(appended.last());
    }
    // A durable append stands behind them: once it is readable, so are they.
    let durable = append(&store, one("lax-2", event(99))).await.last();
    assert!(durable.position > placed[19].position);
    let read = log_after(&store, before).await;
    assert_eq!(read.len(), 21);
    for (read, placed) in read.iter().zip(&placed) {
        assert_eq!((read.id, read.version, read.position), (placed.id, placed.version, placed.position));
    }
}

/// A read never shows what lies beyond a head taken after it.
pub async fn a_read_never_goes_beyond_a_later_head(backend: &dyn Backend) {
    let store = backend.store(&Tenant::default()).await;
    let relaxed = store.capabilities().relaxed;
    let before = head(&store).await;
    let writing = {
        let store = store.clone();
        tokio::spawn(async move {
            for n in 0..60 {
                let batch = one("lax-1", event(n));
                append(&store, if relaxed { batch.relaxed() } else { batch }).await;
            }
            append(&store, one("lax-1", event(60))).await;
        })
    };
    while !writing.is_finished() {
        let seen = log_after(&store, before).await.last().map_or(before, |event| event.position);
        assert!(seen <= head(&store).await);
        tokio::task::yield_now().await;
    }
    writing.await.expect("the writer finishes");
    assert_eq!(log_after(&store, before).await.len(), 61);
}

/// What was readable before the store was closed is there afterwards, relaxed or not.
pub async fn what_was_readable_survives_a_reopening(backend: &dyn Backend) {
    let store = backend.store(&Tenant::default()).await;
    let before = head(&store).await;
    for n in 0..10 {
        let batch = one("lax-1", event(n));
        let relaxed = n % 2 == 1 && store.capabilities().relaxed;
        append(&store, if relaxed { batch.relaxed() } else { batch }).await;
    }
    let read = log_after(&store, before).await;
    drop(store);
    backend.reopen().await;
    let store = backend.store(&Tenant::default()).await;
    assert!(log_after(&store, before).await.starts_with(&read));
}
