//! Law 8: reads are the truth, wakeups are hints.

use std::time::Duration;

use gesta_core::Tenant;

use crate::{
    Backend,
    given::{append, event, head, log_after, one},
};

/// A reader that takes no hint finds everything by reading.
pub async fn a_reader_without_hints_finds_everything(backend: &dyn Backend) {
    let store = backend.store(&Tenant::default()).await;
    let before = head(&store).await;
    drop(store.wakeups());
    let idle = store.wakeups();
    for n in 0..30 {
        append(&store, one("wake-1", event(n))).await;
        assert_eq!(log_after(&store, before).await.len() as u64, n + 1);
    }
    drop(idle);
}

/// Appends wake a waiting reader, sooner or later, and never with a position that cannot be read yet.
pub async fn a_hint_comes_and_never_runs_ahead(backend: &dyn Backend) {
    let store = backend.store(&Tenant::default()).await;
    let mut wakeups = store.wakeups();
    let mut hinted = 0;
    for n in 0.. {
        append(&store, one("wake-1", event(n))).await;
        let Ok(hint) = tokio::time::timeout(Duration::from_secs(2), wakeups.next()).await else {
            assert!(n < 20, "no hint for {n} appends");
            continue;
        };
        assert!(hint <= head(&store).await, "the hint runs ahead of the head");
        hinted += 1;
        if hinted == 5 {
            return;
        }
    }
}

/// A reader that saw the head before it began to wait for hints misses nothing of what lies between.
pub async fn what_came_before_the_wait_is_read(backend: &dyn Backend) {
    let store = backend.store(&Tenant::default()).await;
    let before = head(&store).await;
    append(&store, one("wake-1", event(1))).await;
    let wakeups = store.wakeups();
    assert!(wakeups.latest() <= head(&store).await);
    assert_eq!(log_after(&store, before).await.len(), 1);
}
