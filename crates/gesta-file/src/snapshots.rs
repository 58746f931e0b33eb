//! Snapshots in `state.db`.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use gesta_core::{Snapshot, SnapshotError, SnapshotStore, StreamId, Tenant, Version};
use rusqlite::{Connection, Row, params};

use crate::state::{State, StateError, sum};

/// The snapshots of a data folder. A damaged one counts as lost, and an earlier one is taken.
pub(crate) struct Snapshots(Arc<State>);

impl Snapshots {
    /// Those in `state`.
    pub(crate) fn of(state: Arc<State>) -> Self {
        Self(state)
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
        let (tenant, stream, fingerprint) = (tenant.clone(), stream.clone(), fingerprint.to_owned());
        self.0.read(move |connection| Ok(latest(connection, &tenant, &stream, &fingerprint)?)).await
    }

    async fn save(
        &self,
        tenant: &Tenant,
        stream: &StreamId,
        snapshot: Snapshot,
    ) -> Result<(), SnapshotError> {
        let (tenant, stream) = (tenant.clone(), stream.clone());
        let work = move |connection: &Connection| {
            connection.prepare_cached(include_str!("sql/save_snapshot.sql"))?.execute(params![
                tenant.as_str(),
                stream.as_str(),
                snapshot.version.get().cast_signed(),
                snapshot.fingerprint,
                &snapshot.state[..],
                snapshot_sum(tenant.as_str(), stream.as_str(), &snapshot),
            ])?;
            Ok(())
        };
        self.0.write(work).await
    }

    async fn prune(&self, tenant: &Tenant, stream: &StreamId, keep: usize) -> Result<(), SnapshotError> {
        let (tenant, stream) = (tenant.clone(), stream.clone());
        let keep = i64::try_from(keep).unwrap_or(i64::MAX);
        let work = move |connection: &Connection| {
            connection.prepare_cached(include_str!("sql/prune_snapshots.sql"))?.execute(params![
                tenant.as_str(),
                stream.as_str(),
                keep
            ])?;
            Ok(())
        };
        self.0.write(work).await
    }
}

/// The latest whole snapshot of a shape.
fn latest(
    connection: &Connection,
    tenant: &Tenant,
    stream: &StreamId,
    fingerprint: &str,
) -> rusqlite::Result<Option<Snapshot>> {
    let mut statement = connection.prepare_cached(include_str!("sql/find_snapshots.sql"))?;
    let mut rows = statement.query([tenant.as_str(), stream.as_str(), fingerprint])?;
    while let Some(row) = rows.next()? {
        let snapshot = Snapshot {
            version: Version::new(row.get::<_, i64>(0)?.cast_unsigned()),
            fingerprint: fingerprint.to_owned(),
            state: Bytes::copy_from_slice(row.get_ref(1)?.as_blob()?),
        };
        if row.get::<_, i64>(2)? == snapshot_sum(tenant.as_str(), stream.as_str(), &snapshot) {
            return Ok(Some(snapshot));
        }
        tracing::error!(%stream, version = %snapshot.version, "a snapshot in state.db is damaged and counts as lost");
    }
    Ok(None)
}

/// Whether a row of tenant, stream, version, fingerprint, state and checksum is as it was written.
pub(crate) fn fits(row: &Row<'_>) -> rusqlite::Result<bool> {
    let snapshot = Snapshot {
        version: Version::new(row.get::<_, i64>(2)?.cast_unsigned()),
        fingerprint: row.get(3)?,
        state: Bytes::copy_from_slice(row.get_ref(4)?.as_blob()?),
    };
    let (tenant, stream) = (row.get_ref(0)?.as_str()?, row.get_ref(1)?.as_str()?);
    Ok(row.get::<_, i64>(5)? == snapshot_sum(tenant, stream, &snapshot))
}

/// The checksum of a snapshot's row; tenant and stream are in it, so that no row can stand for another.
fn snapshot_sum(tenant: &str, stream: &str, snapshot: &Snapshot) -> i64 {
    sum(&[
        tenant.as_bytes(),
        stream.as_bytes(),
        &snapshot.version.get().to_le_bytes(),
        snapshot.fingerprint.as_bytes(),
        &snapshot.state,
    ])
}

impl From<StateError> for SnapshotError {
    fn from(error: StateError) -> Self {
        Self { reason: error.to_string() }
    }
}
