//! Law 9: a timeout is unknown, and a retry with the same ids settles it.

use std::{sync::Arc, time::Duration};

use gesta_core::{AppendBatch, AppendError, EventStore, ExpectedVersion, Tenant};

use crate::{
    Backend, Dice,
    given::{append, event, events, events_of, exact, head, log_after, one, stream},
    history::check,
    lin_append::{Load, lin_append},
};

/// Gives up after a random short time; `true` if a reply came first.
async fn impatient(store: &Arc<dyn EventStore>, batch: AppendBatch, dice: &mut Dice) -> bool {
    let patience = Duration::from_micros(dice.below(400));
    match tokio::time::timeout(patience, store.append(batch)).await {
        Ok(Ok(_)) => true,
        Ok(Err(AppendError::Unknown { .. })) | Err(_) => false,
        Ok(Err(other)) => panic!("an append at its expected version was refused: {other}"),
    }
}

/// Callers who hang up and send again, with the version they first expected, store every event once.
pub async fn who_hangs_up_and_sends_again_stores_once(backend: &dyn Backend) {
    let store = backend.store(&Tenant::default()).await;
    let before = head(&store).await;
    let mut dice = Dice::of(9);
    let mut answered = 0;
    for n in 0..60 {
        let batch = AppendBatch::to(stream("void-1"), exact(2 * n), events(2));
        answered += u64::from(impatient(&store, batch.clone(), &mut dice).await);
        let settled = append(&store, batch).await;
        assert_eq!(settled.last().version.get(), 2 * n + 2);
    }
    let read = log_after(&store, before).await;
    assert_eq!(read.len(), 120, "{answered} of 60 were answered at once");
    assert!(read.windows(2).all(|pair| pair[0].version < pair[1].version));
}

/// A caller who never comes back leaves its event in the log once or not at all, and what is decided stays so.
pub async fn who_never_comes_back_leaves_all_or_nothing(backend: &dyn Backend) {
    let store = backend.store(&Tenant::default()).await;
    let mut dice = Dice::of(10);
    for n in 0..40 {
        let to = format!("void-{n}");
        impatient(&store, AppendBatch::to(stream(&to), ExpectedVersion::Any, events(3)), &mut dice).await;
        // A durable append behind it: whatever the store still had in hand is settled by then.
        append(&store, one("after-1", event(n))).await;
    }
    backend.reopen().await;
    let store = backend.store(&Tenant::default()).await;
    let count = async |n| events_of(&store, &format!("void-{n}")).await.len();
    for n in 0..40 {
        let first = count(n).await;
        assert!(first == 0 || first == 3, "{first} of 3 events of a batch");
        assert_eq!(count(n).await, first, "undecided still");
    }
}

/// `lin_append`: clients that append, race, read, hang up and retry see one linear history.
pub async fn clients_that_hang_up_see_one_linear_history(backend: &dyn Backend) {
    let load = Load { clients: 6, operations: 60, run: 11, ..Load::default() };
    let history = lin_append(backend, load).await;
    let verdict = check(&history);
    assert!(verdict.violations.is_empty(), "{verdict}");
    assert!(verdict.unknown > 0, "nobody hung up: {verdict}");
}
