//! The laws of a checkpoint store.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use gesta_core::{
    Checkpoint, CheckpointError, CheckpointKey, CheckpointRecord, CheckpointStore, Epoch, Position, Tenant,
};

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

/// Whoever asks is told who has a checkpoint, for as long as its lease lasts; to ask claims nothing.
pub async fn a_holder_is_named_while_its_lease_lasts(store: Store) {
    let key = key("law/holder");
    assert_eq!(store.holder(&key).await.expect("answers"), None);
    let epoch = claimed(&store, &key, "a", LONG).await;
    let holder = store.holder(&key).await.expect("answers").expect("it is held");
    assert_eq!(holder.owner, "a");
    assert!(holder.remaining > Duration::ZERO && holder.remaining <= LONG, "{:?}", holder.remaining);
    store.save(&key, epoch, checkpoint(1, "")).await.expect("the holder is still the owner");
    store.release(&key, epoch).await.expect("released");
    assert_eq!(store.holder(&key).await.expect("answers"), None);
    claimed(&store, &key, "b", Duration::ZERO).await;
    assert_eq!(store.holder(&key).await.expect("answers"), None, "its lease is over");
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

/// Everything that was ever claimed is listed once, in order and page by page, removed ones for their epoch.
pub async fn everything_is_listed_in_order(store: Store) {
    let keys = [
        CheckpointKey::new(tenant("a"), "law/z"),
        CheckpointKey::new(tenant("a"), "law/ä"),
        CheckpointKey::new(tenant("b"), "Law/listed"),
        CheckpointKey::new(tenant("b"), "law/claimed"),
        CheckpointKey::new(tenant("b"), "law/removed"),
    ];
    let mut expected = Vec::new();
    for (at, key) in keys.into_iter().enumerate() {
        let epoch = claimed(&store, &key, "a", LONG).await;
        let mut record = CheckpointRecord { key, epoch, saved: checkpoint(at as u64 + 1, "listed") };
        store.save(&record.key, epoch, record.saved.clone()).await.expect("saved");
        if record.key.name == "law/removed" {
            store.remove(&record.key).await.expect("removed");
            record.saved = Checkpoint::default();
        }
        expected.push(record);
    }
    let listed = store.list(None, usize::MAX).await.expect("lists");
    // A removal may raise the epoch.
    expected[4].epoch = listed.last().expect("the removed one").epoch.max(expected[4].epoch);
    assert_eq!(listed, expected);
    let mut paged: Vec<CheckpointRecord> = Vec::new();
    loop {
        let page = store.list(paged.last().map(|last| &last.key), 2).await.expect("lists");
        assert!(page.len() <= 2, "{} on a page of 2", page.len());
        if page.is_empty() {
            break;
        }
        paged.extend(page);
    }
    assert_eq!(paged, expected);
}

/// What another store has kept is taken over, free, and under an epoch above all there and here.
pub async fn an_adopted_checkpoint_goes_on(store: Store) {
    let key = key("law/adopted");
    let zombie = claimed(&store, &key, "zombie", Duration::ZERO).await;
    let record = CheckpointRecord { key: key.clone(), epoch: Epoch(41), saved: checkpoint(17, "theirs") };
    store.adopt(record.clone()).await.expect("nobody holds it");
    assert!(
        store.save(&key, zombie, checkpoint(1, "zombie")).await.is_err(),
        "an epoch from here still counts"
    );
    assert!(
        store.save(&key, Epoch(41), checkpoint(1, "zombie")).await.is_err(),
        "one from there counts here"
    );
    assert_eq!(store.load(&key).await.expect("loads"), record.saved);
    let claim = store.claim(&key, "next", LONG).await.expect("free");
    assert!(claim.epoch > Epoch(41), "{:?}", claim.epoch);
    assert_eq!(claim.checkpoint, record.saved);
    store.save(&key, claim.epoch, checkpoint(18, "ours")).await.expect("the owner saves");
}

/// What somebody holds is not replaced under their hands.
pub async fn a_held_checkpoint_is_not_adopted(store: Store) {
    let key = key("law/held");
    let epoch = claimed(&store, &key, "holder", LONG).await;
    store.save(&key, epoch, checkpoint(3, "ours")).await.expect("saved");
    let record = CheckpointRecord { key: key.clone(), epoch: Epoch(9), saved: checkpoint(17, "theirs") };
    let refused = store.adopt(record).await;
    assert!(
        matches!(&refused, Err(CheckpointError::Owned { owner, .. }) if owner == "holder"),
        "{refused:?}"
    );
    assert_eq!(store.load(&key).await.expect("loads"), checkpoint(3, "ours"));
    store.save(&key, epoch, checkpoint(4, "ours")).await.expect("the holder is still the owner");
}

/// One test for each law of a checkpoint store; `$fresh` is an async function that answers with an
/// `Arc<dyn CheckpointStore>` of its own and with what it lasts no longer than, such as its folder.
///
/// ```
/// # mod laws {
/// use std::sync::Arc;
/// use gesta_core::{CheckpointStore, MemoryCheckpoints};
/// async fn memory() -> (Arc<dyn CheckpointStore>, ()) {
///     (Arc::new(MemoryCheckpoints::default()), ())
/// }
/// gesta_conformance::checkpoint_laws!(memory);
/// # }
/// ```
#[macro_export]
macro_rules! checkpoint_laws {
    ($fresh:expr) => {
        $crate::checkpoint_laws! { @ $fresh;
            claim_gives_rising_epochs stale_epoch_is_refused lease_blocks_another_owner
            a_holder_is_named_while_its_lease_lasts an_ended_lease_is_free
            a_released_lease_is_free_at_once removal_keeps_the_epoch save_is_read_back keys_are_apart
            of_many_claims_one_wins everything_is_listed_in_order an_adopted_checkpoint_goes_on
            a_held_checkpoint_is_not_adopted
        }
    };
    (@ $fresh:expr; $($law:ident)*) => {$(
        #[test]
        fn $law() {
            $crate::run(async {
                let (store, _lasts) = ($fresh)().await;
                $crate::checkpoints::$law(store).await;
            });
        }
    )*};
}
