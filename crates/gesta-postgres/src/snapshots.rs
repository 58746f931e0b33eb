//! Snapshots in the database of the log.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use gesta_core::{Snapshot, SnapshotError, SnapshotStore, StreamId, Tenant, Version};
use tokio_postgres::types::Type;

use crate::{PostgresStore, database::Database, shared::bound};

/// The snapshots of a log.
struct Snapshots(Database);

impl PostgresStore {
    /// Folded states of streams.
    pub fn snapshots(&self) -> Arc<dyn SnapshotStore> {
        Arc::new(Snapshots(Database::of(self)))
    }
}

#[async_trait]
impl SnapshotStore for Snapshots {
    async fn load(
        &self,
        tenant: &Tenant,
        stream: &StreamId,
        fingerprint: &str,
    ) -> Result<Option<Snapshot>, SnapshotError> {
        let (tenant, stream) = (tenant.as_str(), stream.as_str());
        let values =
            [(&tenant as _, Type::TEXT), (&stream as _, Type::TEXT), (&fingerprint as _, Type::TEXT)];
        let rows = self.0.rows(include_str!("sql/find_snapshot.sql"), &values).await.map_err(unusable)?;
        Ok(rows.first().map(|row| Snapshot {
            version: Version::new(u64::try_from(row.get::<_, i64>(0)).unwrap_or(0)),
            fingerprint: fingerprint.to_owned(),
            state: Bytes::copy_from_slice(row.get(1)),
        }))
    }

    async fn save(
        &self,
        tenant: &Tenant,
        stream: &StreamId,
        snapshot: Snapshot,
    ) -> Result<(), SnapshotError> {
        let (tenant, stream, version) = (tenant.as_str(), stream.as_str(), bound(snapshot.version.get()));
        let state = &snapshot.state[..];
        let values = [
            (&tenant as _, Type::TEXT),
            (&stream as _, Type::TEXT),
            (&version as _, Type::INT8),
            (&snapshot.fingerprint as _, Type::TEXT),
            (&state as _, Type::BYTEA),
        ];
        let saved = self.0.rows(include_str!("sql/save_snapshot.sql"), &values).await;
        saved.map(drop).map_err(unusable)
    }

    async fn prune(&self, tenant: &Tenant, stream: &StreamId, keep: usize) -> Result<(), SnapshotError> {
        let (tenant, stream, keep) =
            (tenant.as_str(), stream.as_str(), i64::try_from(keep).unwrap_or(i64::MAX));
        let values = [(&tenant as _, Type::TEXT), (&stream as _, Type::TEXT), (&keep as _, Type::INT8)];
        let pruned = self.0.rows(include_str!("sql/prune_snapshots.sql"), &values).await;
        pruned.map(drop).map_err(unusable)
    }
}

fn unusable(reason: String) -> SnapshotError {
    SnapshotError { reason }
}
