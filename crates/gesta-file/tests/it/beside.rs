//! The laws of checkpoints and snapshots, on those that stand beside a log.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use gesta_conformance::{checkpoint_laws, snapshot_laws};
use gesta_core::{
    Checkpoint, CheckpointError, CheckpointKey, CheckpointRecord, CheckpointStore, Claim, Epoch, Snapshot,
    SnapshotError, SnapshotStore, StreamId, Tenant,
};
use gesta_file::FileStore;

use crate::support;

/// A store with its folder, which goes when it does.
struct InFolder<S: ?Sized> {
    beside: Arc<S>,
    _store: FileStore,
    _folder: tempfile::TempDir,
}

impl<S: ?Sized> InFolder<S> {
    fn of(part: impl FnOnce(&FileStore) -> Arc<S>) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let store = FileStore::open(folder.path(), support::tiny()).expect("opens");
        Self { beside: part(&store), _store: store, _folder: folder }
    }
}

#[async_trait]
impl CheckpointStore for InFolder<dyn CheckpointStore> {
    async fn claim(&self, key: &CheckpointKey, owner: &str, ttl: Duration) -> Result<Claim, CheckpointError> {
        self.beside.claim(key, owner, ttl).await
    }

    async fn release(&self, key: &CheckpointKey, epoch: Epoch) -> Result<(), CheckpointError> {
        self.beside.release(key, epoch).await
    }

    async fn load(&self, key: &CheckpointKey) -> Result<Checkpoint, CheckpointError> {
        self.beside.load(key).await
    }

    async fn save(
        &self,
        key: &CheckpointKey,
        epoch: Epoch,
        saved: Checkpoint,
    ) -> Result<(), CheckpointError> {
        self.beside.save(key, epoch, saved).await
    }

    async fn remove(&self, key: &CheckpointKey) -> Result<(), CheckpointError> {
        self.beside.remove(key).await
    }

    async fn list(
        &self,
        after: Option<&CheckpointKey>,
        limit: usize,
    ) -> Result<Vec<CheckpointRecord>, CheckpointError> {
        self.beside.list(after, limit).await
    }

    async fn adopt(&self, record: CheckpointRecord) -> Result<(), CheckpointError> {
        self.beside.adopt(record).await
    }
}

#[async_trait]
impl SnapshotStore for InFolder<dyn SnapshotStore> {
    async fn load(
        &self,
        tenant: &Tenant,
        stream: &StreamId,
        fingerprint: &str,
    ) -> Result<Option<Snapshot>, SnapshotError> {
        self.beside.load(tenant, stream, fingerprint).await
    }

    async fn save(&self, tenant: &Tenant, stream: &StreamId, saved: Snapshot) -> Result<(), SnapshotError> {
        self.beside.save(tenant, stream, saved).await
    }

    async fn prune(&self, tenant: &Tenant, stream: &StreamId, keep: usize) -> Result<(), SnapshotError> {
        self.beside.prune(tenant, stream, keep).await
    }
}

mod checkpoints {
    use super::*;

    async fn fresh() -> Arc<dyn CheckpointStore> {
        Arc::new(InFolder::of(FileStore::checkpoints))
    }

    checkpoint_laws!(fresh);
}

mod snapshots {
    use super::*;

    async fn fresh() -> Arc<dyn SnapshotStore> {
        Arc::new(InFolder::of(FileStore::snapshots))
    }

    snapshot_laws!(fresh);
}
