//! The laws of a checkpoint store.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use gesta_core::{Checkpoint, CheckpointError, CheckpointKey, CheckpointStore, Epoch, Position, Tenant};

use crate::given::tenant;

/// Far beyond the length of a test.
const LONG: Duration = Duration::from_secs(3_600);

type Store = Arc<dyn CheckpointStore>;

fn key(name: &str) -> CheckpointKey {
    CheckpointKey::new(Tenant::default(), name)
}

fn checkpoint(position: u64, state: &str) -> Checkpoint {
    Checkpoint { position: Position::new(position), state: Bytes::copy_from_slice(state.as_bytes()) }
}

async fn claimed(store: &Store, key: &CheckpointKey, owner: &str, ttl: Duration) -> Epoch {
    store.claim(key, owner, ttl).await.expect("the checkpoint is free").epoch
}

/// Each new owner gets a higher epoch; the same owner under its lease keeps its own.
pub async fn claim_gives_rising_epochs(store: Store) {
    let key = key("law/rising");
    let mut last = Epoch(0);
    for owner in ["a", "b", "a", "c"] {
        let epoch = claimed(&store, &key, owner, LONG).await;
        assert!(epoch > last, "{epoch:?} after {last:?}");
        assert_eq!(claimed(&store, &key, owner, LONG).await, epoch, "a renewal keeps the epoch");
        store.release(&key, epoch).await.expect("released");
        last = epoch;
    }
}

/// A save under an older epoch is refused, names both, and changes nothing.
pub async fn stale_epoch_is_refused(store: Store) {
    let key = key("law/stale");
    let old = claimed(&store, &key, "old", LONG).await;
    store.save(&key, old, checkpoint(5, "old")).await.expect("the owner saves");
    store.release(&key, old).await.expect("released");
    let new = claimed(&store, &key, "new", LONG).await;
    match store.save(&key, old, checkpoint(9, "zombie")).await {
        Err(CheckpointError::Stale { stale, current, .. }) => assert_eq!((stale, current), (old, new)),
        other => panic!("the zombie's save: {other:?}"),
    }
    let beyond = store.save(&key, Epoch(new.0 + 1), checkpoint(9, "guess")).await;
    assert!(matches!(beyond, Err(CheckpointError::Stale { .. })), "an epoch nobody was given: {beyond:?}");
    assert_eq!(store.load(&key).await.expect("loads"), checkpoint(5, "old"));
    store.save(&key, new, checkpoint(6, "new")).await.expect("the new owner saves");
}

/// Under a lease nobody else gets the checkpoint, and is told who has it and for how long.
pub async fn lease_blocks_another_owner(store: Store) {
    let key = key("law/lease");
    let epoch = claimed(&store, &key, "holder", LONG).await;
    match store.claim(&key, "other", LONG).await {
        Err(CheckpointError::Owned { owner, remaining, .. }) => {
            assert_eq!(owner, "holder");
            assert!(remaining > Duration::ZERO && remaining <= LONG, "{remaining:?}");
        }
        other => panic!("the lease blocks nobody: {other:?}"),
    }
    store.save(&key, epoch, checkpoint(1, "")).await.expect("the holder is still the owner");
}

/// A lease that is over is free, and the new owner's epoch shuts the old one out.
pub async fn an_ended_lease_is_free(store: Store) {
    let key = key("law/ended");
    let old = claimed(&store, &key, "old", Duration::ZERO).await;
    let new = claimed(&store, &key, "new", LONG).await;
    assert!(new > old);
    assert!(store.save(&key, old, checkpoint(1, "")).await.is_err());
}

/// A released lease is free at once; a release by a stale owner is ignored.
pub async fn a_released_lease_is_free_at_once(store: Store) {
    let key = key("law/released");
    let old = claimed(&store, &key, "old", LONG).await;
    store.release(&key, old).await.expect("released");
    let new = claimed(&store, &key, "new", LONG).await;
    store.release(&key, old).await.expect("ignored, not an error");
    assert!(store.claim(&key, "third", LONG).await.is_err(), "a stale release ended the lease");
    store.save(&key, new, checkpoint(1, "")).await.expect("still the owner");
}

/// A removed checkpoint is forgotten, but its next epoch is higher all the same.
pub async fn removal_keeps_the_epoch(store: Store) {
    let key = key("law/removed");
    let old = claimed(&store, &key, "old", LONG).await;
    store.save(&key, old, checkpoint(7, "state")).await.expect("saved");
    store.remove(&key).await.expect("removed");
    assert_eq!(store.load(&key).await.expect("loads"), Checkpoint::default());
    assert!(
        store.save(&key, old, checkpoint(8, "zombie")).await.is_err(),
        "the removed one's owner still saves"
    );
    let claim = store.claim(&key, "new", LONG).await.expect("free");
    assert!(claim.epoch > old);
    assert_eq!(claim.checkpoint, Checkpoint::default());
    store.remove(&CheckpointKey::new(Tenant::default(), "law/never")).await.expect("nothing to forget");
}

/// Position and state come back together, to the byte, to a reader and to the next owner.
pub async fn save_is_read_back(store: Store) {
    let key = key("law/saved");
    assert_eq!(store.load(&key).await.expect("loads"), Checkpoint::default());
    let epoch = claimed(&store, &key, "a", LONG).await;
    let large = Bytes::from((0..1_048_576u32).map(|n| n.to_le_bytes()[0]).collect::<Vec<_>>());
    let saves = [
        checkpoint(3, "x"),
        Checkpoint { position: Position::new(u64::from(u32::MAX) * 7), state: large },
        checkpoint(2, ""),
    ];
    for saved in saves {
        store.save(&key, epoch, saved.clone()).await.expect("saved");
        assert_eq!(store.load(&key).await.expect("loads"), saved);
        let claim = store.claim(&key, "a", LONG).await.expect("renewed");
        assert_eq!(claim.checkpoint, saved);
    }
}

/// Checkpoints of two tenants, and of two names, are apart.
pub async fn keys_are_apart(store: Store) {
    let keys = [key("law/apart"), key("law/apart2"), CheckpointKey::new(tenant("other"), "law/apart")];
    for (at, key) in keys.iter().enumerate() {
        let epoch = claimed(&store, key, &format!("owner-{at}"), LONG).await;
        store.save(key, epoch, checkpoint(at as u64 + 1, &at.to_string())).await.expect("saved");
    }
    for (at, key) in keys.iter().enumerate() {
        assert_eq!(store.load(key).await.expect("loads"), checkpoint(at as u64 + 1, &at.to_string()));
    }
}

/// Of many who claim at once one gets the checkpoint.
pub async fn of_many_claims_one_wins(store: Store) {
    let racing: Vec<_> = (0..20)
        .map(|n| {
            let store = store.clone();
            tokio::spawn(
                async move { store.claim(&key("law/race"), &format!("owner-{n}"), LONG).await.is_ok() },
            )
        })
        .collect();
    let mut won = 0;
    for claim in racing {
        won += u32::from(claim.await.expect("answered"));
    }
    assert_eq!(won, 1);
}

/// One test for each law of a checkpoint store; `$fresh` is an async function that answers with an
/// `Arc<dyn CheckpointStore>` of its own.
///
/// ```
/// # mod laws {
/// use std::sync::Arc;
/// use gesta_core::{CheckpointStore, MemoryCheckpoints};
/// async fn memory() -> Arc<dyn CheckpointStore> {
///     Arc::new(MemoryCheckpoints::default())
/// }
/// gesta_conformance::checkpoint_laws!(memory);
/// # }
/// ```
#[macro_export]
macro_rules! checkpoint_laws {
    ($fresh:expr) => {
        $crate::checkpoint_laws! { @ $fresh;
            claim_gives_rising_epochs stale_epoch_is_refused lease_blocks_another_owner an_ended_lease_is_free
            a_released_lease_is_free_at_once removal_keeps_the_epoch save_is_read_back keys_are_apart
            of_many_claims_one_wins
        }
    };
    (@ $fresh:expr; $($law:ident)*) => {$(
        #[test]
        fn $law() {
            $crate::run(async { $crate::checkpoints::$law(($fresh)().await).await });
        }
    )*};
}
