//! The folder as a whole: who holds it, what its stops leave behind.

use gesta_core::{AppendError, CheckpointKey, DurabilityClass, EventStore, Tenant};
use gesta_file::{FileStore, OpenError, Options};

use crate::support::{self, append, batch, everything};

#[tokio::test]
async fn a_folder_has_one_store_at_a_time() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = FileStore::open(dir.path(), Options::default()).expect("opens");
    assert!(matches!(support::refused(dir.path(), Options::default()), OpenError::InUse { .. }));
    store.close().await;
    let _again = FileStore::open(dir.path(), Options::default()).expect("opens when it was closed");
}

#[tokio::test]
async fn a_closed_store_takes_nothing_and_still_reads() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = FileStore::open(dir.path(), Options::default()).expect("opens");
    append(&store, 0..3, 1).await;
    store.close().await;
    store.close().await;
    let refused = store.append(batch(4, 1)).await;
    assert!(matches!(refused, Err(AppendError::Unavailable { .. })), "{refused:?}");
    assert_eq!(everything(&store).await.expect("reads").len(), 3);
}

#[tokio::test]
async fn the_last_clone_that_goes_writes_what_is_queued() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = FileStore::open(dir.path(), Options::default()).expect("opens");
    append(&store, 0..3, 1).await;
    let relaxed = store.append(batch(3, 1).relaxed()).await.expect("ordered");
    assert_eq!(relaxed.durability, None);
    drop(store);
    let store = FileStore::open(dir.path(), Options::default()).expect("opens");
    assert_eq!(everything(&store).await.expect("reads").len(), 4);
}

#[tokio::test]
async fn a_log_without_syncs_says_so() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = FileStore::open(dir.path(), Options::default().without_sync()).expect("opens");
    let appended = store.append(batch(0, 1)).await.expect("appends");
    assert_eq!(appended.durability, Some(DurabilityClass::Buffered));
    assert_eq!(store.capabilities().durability, DurabilityClass::Buffered);
}

#[tokio::test]
async fn a_lost_index_is_built_from_the_log() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = FileStore::open(dir.path(), support::tiny()).expect("opens");
    let first = batch(0, 2);
    store.append(first.clone()).await.expect("appends");
    append(&store, 1..40, 2).await;
    store.close().await;
    drop(store);
    std::fs::remove_dir_all(dir.path().join("index")).expect("removes");

    // A tail of one event, so that the index has to be there before the store is.
    let store = FileStore::open(dir.path(), support::tiny().tail(1)).expect("opens");
    assert_eq!(store.status().index_watermark.get(), 80);
    let again = store.append(first).await.expect("known");
    assert!(again.repeated && again.events[0].position.get() == 1);
}

#[tokio::test]
async fn checkpoints_and_snapshots_outlive_a_stop() {
    let dir = tempfile::tempdir().expect("a folder");
    let key = CheckpointKey::new(Tenant::default(), "p");
    let store = FileStore::open(dir.path(), Options::default()).expect("opens");
    let ttl = std::time::Duration::from_secs(1);
    let epoch = store.checkpoints().claim(&key, "me", ttl).await.expect("free").epoch;
    store.close().await;
    drop(store);
    let store = FileStore::open(dir.path(), Options::default()).expect("opens");
    store.checkpoints().release(&key, epoch).await.expect("releases");
    assert!(store.checkpoints().claim(&key, "you", ttl).await.expect("free").epoch > epoch);
}
