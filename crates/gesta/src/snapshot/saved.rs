//! State as a snapshot and back.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use gesta_core::{Snapshot, SnapshotError, SnapshotStore, StreamId, Tenant, Timestamp};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::value::RawValue;
use tokio::time::timeout;
use uuid::Uuid;

use super::{SnapshotPolicy, shape};
use crate::{
    aggregate::Aggregate,
    repository::{Folded, Last, Seen},
    unreadable::Unreadable,
};

/// Longest wait for a store of snapshots: folding the events is better than waiting longer.
const PATIENCE: Duration = Duration::from_secs(1);

/// The snapshots of one kind of aggregate.
pub(crate) struct Snapshots<A> {
    store: Arc<dyn SnapshotStore>,
    policy: SnapshotPolicy,
    fingerprint: Arc<str>,
    write: fn(&Folded<A>) -> Result<Vec<u8>, serde_json::Error>,
    read: fn(&Snapshot) -> Result<Folded<A>, serde_json::Error>,
}

/// There may be a snapshot, but it cannot be used.
pub(crate) struct Unusable;

/// What a snapshot holds.
#[derive(Serialize, Deserialize)]
struct Saved {
    event_id: Uuid,
    at: Timestamp,
    latest: Timestamp,
    state: Box<RawValue>,
}

impl<A: Aggregate + Serialize + DeserializeOwned> Snapshots<A> {
    pub(crate) fn new(store: Arc<dyn SnapshotStore>, policy: SnapshotPolicy) -> Self {
        let fingerprint = shape::fingerprint::<A>(policy.revision).into();
        Self { store, policy, fingerprint, write, read }
    }
}

impl<A: Aggregate> Snapshots<A> {
    /// The latest snapshot of this shape.
    pub(crate) async fn load(
        &self,
        tenant: &Tenant,
        stream: &StreamId,
    ) -> Result<Option<Folded<A>>, Unusable> {
        let asked = timeout(PATIENCE, self.store.load(tenant, stream, &self.fingerprint)).await;
        let found = match answered(asked) {
            Ok(Some(found)) => found,
            Ok(None) => return Ok(None),
            Err(reason) => {
                tracing::warn!(%stream, reason, "no snapshot can be loaded; its events are folded instead");
                return Err(Unusable);
            }
        };
        (self.read)(&found).map(Some).map_err(|error| {
                let (version, reason) = (found.version.get(), Unreadable(&error));
                tracing::warn!(%stream, version, %reason, "a snapshot cannot be read; its events are folded instead");
            Unusable
        })
    }

    /// Saves a state that is far enough from the last snapshot, and removes the oldest; answers what came of it, `None` if
    /// it is not far enough yet. Failing is logged.
    pub(crate) async fn save_if_due(
        &self,
        tenant: &Tenant,
        stream: &StreamId,
        folded: &mut Folded<A>,
    ) -> Option<Seen> {
        if !self.policy.is_due(folded.version.get(), folded.snapshot.get()) {
            return None;
        }
        Some(match self.save(tenant, stream, folded).await {
            Ok(()) => {
                tracing::debug!(%stream, version = folded.version.get(), "a snapshot is saved");
                folded.snapshot = folded.version;
                Seen::SnapshotSaved
            }
            Err(reason) => {
                let version = folded.version.get();
                tracing::warn!(%stream, version, reason, "no snapshot can be saved; the next one may");
                Seen::SnapshotFailed
            }
        })
    }

    async fn save(&self, tenant: &Tenant, stream: &StreamId, folded: &Folded<A>) -> Result<(), String> {
        let state = (self.write)(folded).map_err(|error| error.to_string())?;
        let fingerprint = self.fingerprint.to_string();
        let snapshot = Snapshot { version: folded.version, fingerprint, state: Bytes::from(state) };
        let work = async {
            self.store.save(tenant, stream, snapshot).await?;
            self.store.prune(tenant, stream, self.policy.keep.max(1)).await
        };
        answered(timeout(PATIENCE, work).await)
    }
}

fn answered<T>(asked: Result<Result<T, SnapshotError>, tokio::time::error::Elapsed>) -> Result<T, String> {
    match asked {
        Ok(answer) => answer.map_err(|error| error.to_string()),
        Err(_) => Err(format!("the store of snapshots did not answer for {} s", PATIENCE.as_secs())),
    }
}

fn write<A: Aggregate + Serialize>(folded: &Folded<A>) -> Result<Vec<u8>, serde_json::Error> {
    let last = folded.last.ok_or_else(|| serde::ser::Error::custom("no event is folded in"))?;
    let state = serde_json::value::to_raw_value(&folded.state)?;
    serde_json::to_vec(&Saved { event_id: last.id, at: last.at, latest: last.latest, state })
}

fn read<A: Aggregate + DeserializeOwned>(snapshot: &Snapshot) -> Result<Folded<A>, serde_json::Error> {
    let Saved { event_id: id, at, latest, state } = serde_json::from_slice(&snapshot.state)?;
    let state = serde_json::from_str(state.get())?;
    let version = snapshot.version;
    Ok(Folded { state, version, last: Some(Last { id, at, latest }), snapshot: version })
}

impl<A> Clone for Snapshots<A> {
    fn clone(&self) -> Self {
        let Self { policy, write, read, .. } = *self;
        Self { store: self.store.clone(), policy, fingerprint: self.fingerprint.clone(), write, read }
    }
}
