//! Snapshots in memory.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Mutex,
};

use async_trait::async_trait;

use crate::{Snapshot, SnapshotError, SnapshotStore, StreamId, Tenant, Version};

/// The snapshots of one stream by version.
type ByVersion = BTreeMap<Version, Snapshot>;

/// Snapshots in memory.
#[derive(Default)]
pub struct MemorySnapshots(Mutex<HashMap<(Tenant, StreamId), ByVersion>>);

impl MemorySnapshots {
    fn with<T>(&self, tenant: &Tenant, stream: &StreamId, work: impl FnOnce(&mut ByVersion) -> T) -> T {
        let mut all = self.0.lock().expect("no holder of the snapshots' lock panics");
        work(all.entry((tenant.clone(), stream.clone())).or_default())
    }
}

#[async_trait]
impl SnapshotStore for MemorySnapshots {
    async fn load(
        &self,
        tenant: &Tenant,
        stream: &StreamId,
        fingerprint: &str,
    ) -> Result<Option<Snapshot>, SnapshotError> {
        Ok(self.with(tenant, stream, |all| {
            all.values().rev().find(|snapshot| snapshot.fingerprint == fingerprint).cloned()
        }))
    }

    async fn save(
        &self,
        tenant: &Tenant,
        stream: &StreamId,
        snapshot: Snapshot,
    ) -> Result<(), SnapshotError> {
        self.with(tenant, stream, |all| all.insert(snapshot.version, snapshot));
        Ok(())
    }

    async fn prune(&self, tenant: &Tenant, stream: &StreamId, keep: usize) -> Result<(), SnapshotError> {
        self.with(tenant, stream, |all| {
            while all.len() > keep {
                all.pop_first();
            }
        });
        Ok(())
    }
}
