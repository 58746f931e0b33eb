//! The laws of checkpoints, snapshots and read models.

use std::sync::Arc;

use async_trait::async_trait;
use gesta_conformance::{checkpoint_laws, read_model_laws, snapshot_laws};
use gesta_core::{
    Checkpoint, CheckpointError, CheckpointKey, CheckpointRecord, CheckpointStore, Claim, Epoch, Holder,
    Snapshot, SnapshotError, SnapshotStore, StreamId, Tenant,
    read_model::{Commit, ReadModelError, ReadModelStore, Row, Statement},
};
use gesta_postgres::{Options, ReadModels};

use crate::support::{self, Database};

/// Something in a database of its own, which goes when this does.
struct Kept<P: ?Sized> {
    inner: Arc<P>,
    _database: Database,
}

#[async_trait]
impl<P: CheckpointStore + ?Sized> CheckpointStore for Kept<P> {
    async fn claim(
        &self,
        key: &CheckpointKey,
        owner: &str,
        ttl: std::time::Duration,
    ) -> Result<Claim, CheckpointError> {
        self.inner.claim(key, owner, ttl).await
    }

    async fn holder(&self, key: &CheckpointKey) -> Result<Option<Holder>, CheckpointError> {
        self.inner.holder(key).await
    }

    async fn release(&self, key: &CheckpointKey, epoch: Epoch) -> Result<(), CheckpointError> {
        self.inner.release(key, epoch).await
    }

    async fn load(&self, key: &CheckpointKey) -> Result<Checkpoint, CheckpointError> {
        self.inner.load(key).await
    }

    async fn save(
        &self,
        key: &CheckpointKey,
        epoch: Epoch,
        saved: Checkpoint,
    ) -> Result<(), CheckpointError> {
        self.inner.save(key, epoch, saved).await
    }

    async fn remove(&self, key: &CheckpointKey) -> Result<(), CheckpointError> {
        self.inner.remove(key).await
    }

    async fn list(
        &self,
        after: Option<&CheckpointKey>,
        limit: usize,
    ) -> Result<Vec<CheckpointRecord>, CheckpointError> {
        self.inner.list(after, limit).await
    }

    async fn adopt(&self, record: CheckpointRecord) -> Result<(), CheckpointError> {
        self.inner.adopt(record).await
    }
}

#[async_trait]
impl<P: ReadModelStore + ?Sized> ReadModelStore for Kept<P> {
    async fn commit(&self, commit: Commit) -> Result<(), ReadModelError> {
        self.inner.commit(commit).await
    }

    async fn query_together(&self, statements: Vec<Statement>) -> Result<Vec<Vec<Row>>, ReadModelError> {
        self.inner.query_together(statements).await
    }
}

#[async_trait]
impl SnapshotStore for Kept<dyn SnapshotStore> {
    async fn load(
        &self,
        tenant: &Tenant,
        stream: &StreamId,
        fingerprint: &str,
    ) -> Result<Option<Snapshot>, SnapshotError> {
        self.inner.load(tenant, stream, fingerprint).await
    }

    async fn save(
        &self,
        tenant: &Tenant,
        stream: &StreamId,
        snapshot: Snapshot,
    ) -> Result<(), SnapshotError> {
        self.inner.save(tenant, stream, snapshot).await
    }

    async fn prune(&self, tenant: &Tenant, stream: &StreamId, keep: usize) -> Result<(), SnapshotError> {
        self.inner.prune(tenant, stream, keep).await
    }
}

mod checkpoints_beside_a_log {
    use super::*;

    async fn fresh() -> Arc<dyn CheckpointStore> {
        let database = support::database().await;
        Arc::new(Kept { inner: database.store().await.checkpoints(), _database: database })
    }

    checkpoint_laws!(fresh);
}

mod snapshots_beside_a_log {
    use super::*;

    async fn fresh() -> Arc<dyn SnapshotStore> {
        let database = support::database().await;
        Arc::new(Kept { inner: database.store().await.snapshots(), _database: database })
    }

    snapshot_laws!(fresh);
}

mod read_models_beside_a_log {
    use super::*;

    async fn fresh() -> Arc<dyn ReadModelStore> {
        let database = support::database().await;
        Arc::new(Kept { inner: database.store().await.read_models(), _database: database })
    }

    read_model_laws!(fresh);
}

mod read_models_alone {
    use super::*;

    async fn alone() -> Arc<Kept<ReadModels>> {
        let database = support::database().await;
        let inner = ReadModels::connect(&database.url(), Options::default()).await.expect("connects");
        Arc::new(Kept { inner: Arc::new(inner), _database: database })
    }

    async fn fresh() -> Arc<dyn ReadModelStore> {
        alone().await
    }

    async fn checkpoints() -> Arc<dyn CheckpointStore> {
        alone().await
    }

    read_model_laws!(fresh);
    checkpoint_laws!(checkpoints);
}
