//! OR-28: what a repository does can be counted.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use gesta::{
    Command, Repository,
    repository::{Observer, Seen},
    snapshot::SnapshotPolicy,
};
use gesta_core::{
    MemorySnapshots, MemoryStore, Snapshot, SnapshotError, SnapshotStore, StreamId, Tenant, Version,
};

use super::concert::{Concert, open, sell};

#[derive(Default)]
struct Notes(Mutex<Vec<(&'static str, Seen)>>);

impl Observer for Notes {
    fn seen(&self, category: &'static str, seen: Seen) {
        self.0.lock().expect("no holder panics").push((category, seen));
    }
}

impl Notes {
    /// What was told since it was asked last, all of it about concerts.
    fn take(&self) -> Vec<Seen> {
        let told = std::mem::take(&mut *self.0.lock().expect("no holder panics"));
        assert!(told.iter().all(|(category, _)| *category == "concert"), "{told:?}");
        told.into_iter().map(|(_, seen)| seen).collect()
    }
}

fn decided(version: u64) -> Seen {
    Seen::Decided { version: Version::new(version) }
}

/// Snapshots that cannot be loaded or saved.
struct Broken;

#[async_trait]
impl SnapshotStore for Broken {
    async fn load(&self, _: &Tenant, _: &StreamId, _: &str) -> Result<Option<Snapshot>, SnapshotError> {
        Err(SnapshotError { reason: "the disk is gone".into() })
    }
    async fn save(&self, _: &Tenant, _: &StreamId, _: Snapshot) -> Result<(), SnapshotError> {
        Err(SnapshotError { reason: "the disk is gone".into() })
    }
    async fn prune(&self, _: &Tenant, _: &StreamId, _: usize) -> Result<(), SnapshotError> {
        Ok(())
    }
}

#[tokio::test]
async fn versions_and_snapshots_are_told() {
    let (store, notes) = (Arc::new(MemoryStore::new()), Arc::new(Notes::default()));
    let policy = SnapshotPolicy { every: 2, ..SnapshotPolicy::default() };
    let snapshots = Arc::new(MemorySnapshots::default());
    let concerts = Repository::<Concert>::new(store.clone())
        .with_observer(notes.clone())
        .with_snapshots(snapshots.clone(), policy);
    concerts.execute(Command::new("1", open(100))).await.expect("opens");
    assert_eq!(notes.take(), [decided(0)]);
    concerts.execute(Command::new("1", sell(1))).await.expect("sells");
    assert_eq!(notes.take(), [decided(1), Seen::SnapshotSaved]);
    concerts.execute(Command::new("1", sell(2))).await.expect("sells");
    assert_eq!(notes.take(), [Seen::SnapshotUsed, decided(2)]);

    // The same snapshots beside another log, whose events are others.
    let other = Arc::new(MemoryStore::new());
    let plain = Repository::<Concert>::new(other.clone());
    plain.execute(Command::new("1", open(100))).await.expect("opens");
    plain.execute(Command::new("1", sell(7))).await.expect("sells");
    let crossed =
        Repository::<Concert>::new(other).with_observer(notes.clone()).with_snapshots(snapshots, policy);
    crossed.execute(Command::new("1", sell(8))).await.expect("sells");
    let told = notes.take();
    assert_eq!((told[0], told.last()), (Seen::SnapshotPassedOver, Some(&decided(2))), "{told:?}");

    let broken = Repository::<Concert>::new(store)
        .with_snapshots(Arc::new(Broken), policy)
        .with_observer(notes.clone());
    broken.execute(Command::new("1", sell(3))).await.expect("sells");
    assert_eq!(
        notes.take(),
        [Seen::SnapshotPassedOver, Seen::SnapshotFailed, decided(3), Seen::SnapshotFailed],
        "neither fails the command"
    );
}
