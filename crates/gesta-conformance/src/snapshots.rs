//! The laws of a snapshot store.

use std::sync::Arc;

use bytes::Bytes;
use gesta_core::{Snapshot, SnapshotStore, Tenant, Version};

use crate::given::{stream, tenant};

type Store = Arc<dyn SnapshotStore>;

fn snapshot(version: u64, fingerprint: &str) -> Snapshot {
    let state = Bytes::from(format!("{fingerprint}@{version}\0"));
    Snapshot { version: Version::new(version), fingerprint: fingerprint.into(), state }
}

async fn latest(store: &Store, id: &str, fingerprint: &str) -> Option<Snapshot> {
    store.load(&Tenant::default(), &stream(id), fingerprint).await.expect("loads")
}

async fn save(store: &Store, id: &str, saved: Snapshot) {
    store.save(&Tenant::default(), &stream(id), saved).await.expect("saves");
}

/// The latest by version is loaded, whatever the order of saving; where none is, none is.
pub async fn the_latest_is_loaded(store: Store) {
    assert_eq!(latest(&store, "snap-1", "f").await, None);
    for version in [3, 9, 5] {
        save(&store, "snap-1", snapshot(version, "f")).await;
    }
    assert_eq!(latest(&store, "snap-1", "f").await, Some(snapshot(9, "f")));
    assert_eq!(latest(&store, "snap-2", "f").await, None);
}

/// A snapshot of another shape is not loaded.
pub async fn another_shape_is_not_loaded(store: Store) {
    save(&store, "snap-1", snapshot(3, "old")).await;
    save(&store, "snap-1", snapshot(9, "new")).await;
    assert_eq!(latest(&store, "snap-1", "old").await, Some(snapshot(3, "old")));
    assert_eq!(latest(&store, "snap-1", "none").await, None);
}

/// A snapshot of the same version is replaced.
pub async fn the_same_version_is_replaced(store: Store) {
    save(&store, "snap-1", snapshot(3, "f")).await;
    let other = Snapshot { state: Bytes::from_static(b"other"), ..snapshot(3, "f") };
    save(&store, "snap-1", other.clone()).await;
    assert_eq!(latest(&store, "snap-1", "f").await, Some(other));
}

/// Pruning keeps the latest and touches no other stream.
pub async fn pruning_keeps_the_latest(store: Store) {
    for version in 1..=5 {
        save(&store, "snap-1", snapshot(version, if version < 3 { "old" } else { "new" })).await;
        save(&store, "snap-2", snapshot(version, "old")).await;
    }
    store.prune(&Tenant::default(), &stream("snap-1"), 2).await.expect("prunes");
    assert_eq!(latest(&store, "snap-1", "new").await, Some(snapshot(5, "new")));
    assert_eq!(latest(&store, "snap-1", "old").await, None);
    assert_eq!(latest(&store, "snap-2", "old").await, Some(snapshot(5, "old")));
    store.prune(&Tenant::default(), &stream("snap-1"), 0).await.expect("prunes");
    assert_eq!(latest(&store, "snap-1", "new").await, None);
}

/// Snapshots of two tenants are apart.
pub async fn tenants_are_apart(store: Store) {
    save(&store, "snap-1", snapshot(3, "f")).await;
    let other = tenant("other");
    assert_eq!(store.load(&other, &stream("snap-1"), "f").await.expect("loads"), None);
    store.save(&other, &stream("snap-1"), snapshot(9, "f")).await.expect("saves");
    assert_eq!(latest(&store, "snap-1", "f").await, Some(snapshot(3, "f")));
}

/// One test for each law of a snapshot store; `$fresh` is an async function that answers with an
/// `Arc<dyn SnapshotStore>` of its own and with what it lasts no longer than, such as its folder.
#[macro_export]
macro_rules! snapshot_laws {
    ($fresh:expr) => {
        $crate::snapshot_laws! { @ $fresh;
            the_latest_is_loaded another_shape_is_not_loaded the_same_version_is_replaced pruning_keeps_the_latest
            tenants_are_apart
        }
    };
    (@ $fresh:expr; $($law:ident)*) => {$(
        #[test]
        fn $law() {
            $crate::run(async {
                let (store, _lasts) = ($fresh)().await;
                $crate::snapshots::$law(store).await;
            });
        }
    )*};
}
