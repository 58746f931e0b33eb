//! Keeps a process from running what another one has changed meanwhile.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use async_trait::async_trait;
use gesta_core::{
    Checkpoint, CheckpointError, CheckpointKey, CheckpointRecord, CheckpointStore, Claim, Epoch, Holder,
};

use super::entry::Entry;

/// The checkpoints of a processor, to be claimed only while this process goes by what is recorded of it: one that takes
/// over from another must neither run what that one was told to pause, nor a generation that it has replaced.
///
/// A generation that is being built is claimed by the process that has the one at work: only that one can hold it up while it
/// puts the other in its place, so that no reader steps back.
pub(super) struct Gated {
    pub(super) inner: Arc<dyn CheckpointStore>,
    pub(super) entry: Weak<Entry>,
    pub(super) generation: u64,
}

impl Entry {
    /// Who has the generation at work, if that is another process than this, and another generation than `generation`, which
    /// the other can build as well.
    pub(super) async fn steered_by(&self, generation: u64) -> Result<Option<Holder>, CheckpointError> {
        let at_work = self.running().record.at_work.clone();
        let Some(at_work) = at_work.filter(|at_work| at_work.number != generation) else { return Ok(None) };
        if !self.projection().is_ok_and(|definition| definition.built(&at_work)) {
            return Ok(None);
        }
        let holder = self.checkpoints().holder(&self.checkpoint_of(at_work.number)).await?;
        Ok(holder.filter(|holder| holder.owner != self.ports.owner))
    }
}

#[async_trait]
impl CheckpointStore for Gated {
    async fn claim(&self, key: &CheckpointKey, owner: &str, ttl: Duration) -> Result<Claim, CheckpointError> {
        if let Some(entry) = self.entry.upgrade().filter(|entry| entry.ports.is_following()) {
            let unavailable = |reason| CheckpointError::Unavailable { reason };
            let stored = entry.records().load().await.map_err(|error| unavailable(error.to_string()))?;
            if stored != entry.running().record {
                return Err(unavailable("another process has changed it: it begins anew in a moment".into()));
            }
            if let Some(Holder { owner, remaining }) = entry.steered_by(self.generation).await? {
                return Err(CheckpointError::Owned { key: key.clone(), owner, remaining });
            }
        }
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
