//! Checkpoints in memory.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use async_trait::async_trait;

use crate::{
    Checkpoint, CheckpointError, CheckpointKey, CheckpointRecord, CheckpointStore, Claim, Clock, Epoch,
    Holder, SystemClock, Timestamp,
};

/// Checkpoints in memory: keep every law but durability.
pub struct MemoryCheckpoints {
    rows: Mutex<HashMap<CheckpointKey, Row>>,
    clock: Arc<dyn Clock>,
}

#[derive(Default)]
struct Row {
    epoch: u64,
    lease: Option<(String, Timestamp)>,
    saved: Checkpoint,
}

impl Row {
    fn holder(&self, now: Timestamp) -> Option<Holder> {
        let (owner, until) = self.lease.as_ref().filter(|(_, until)| now < *until)?;
        Some(Holder { owner: owner.clone(), remaining: until.since(now) })
    }
}

impl MemoryCheckpoints {
    /// No checkpoints yet, leases measured on this clock.
    pub fn with_clock(clock: Arc<dyn Clock>) -> Self {
        Self { rows: Mutex::default(), clock }
    }

    fn rows(&self) -> MutexGuard<'_, HashMap<CheckpointKey, Row>> {
        self.rows.lock().expect("no holder of the checkpoints' lock panics")
    }
}

impl Default for MemoryCheckpoints {
    fn default() -> Self {
        Self::with_clock(Arc::new(SystemClock))
    }
}

#[async_trait]
impl CheckpointStore for MemoryCheckpoints {
    async fn claim(&self, key: &CheckpointKey, owner: &str, ttl: Duration) -> Result<Claim, CheckpointError> {
        let now = self.clock.now();
        let mut rows = self.rows();
        let row = rows.entry(key.clone()).or_default();
        match row.holder(now) {
            Some(Holder { owner: other, remaining }) if other != owner => {
                return Err(CheckpointError::Owned { key: key.clone(), owner: other, remaining });
            }
            Some(_) => {}
            None => row.epoch += 1,
        }
        row.lease = Some((owner.to_owned(), now.plus(ttl)));
        Ok(Claim { epoch: Epoch(row.epoch), checkpoint: row.saved.clone() })
    }

    async fn holder(&self, key: &CheckpointKey) -> Result<Option<Holder>, CheckpointError> {
        let now = self.clock.now();
        Ok(self.rows().get(key).and_then(|row| row.holder(now)))
    }

    async fn release(&self, key: &CheckpointKey, epoch: Epoch) -> Result<(), CheckpointError> {
        if let Some(row) = self.rows().get_mut(key).filter(|row| row.epoch == epoch.0) {
            row.lease = None;
        }
        Ok(())
    }

    async fn load(&self, key: &CheckpointKey) -> Result<Checkpoint, CheckpointError> {
        Ok(self.rows().get(key).map(|row| row.saved.clone()).unwrap_or_default())
    }

    async fn save(
        &self,
        key: &CheckpointKey,
        epoch: Epoch,
        saved: Checkpoint,
    ) -> Result<(), CheckpointError> {
        let mut rows = self.rows();
        let row = rows.entry(key.clone()).or_default();
        if row.epoch != epoch.0 {
            return Err(CheckpointError::Stale { key: key.clone(), stale: epoch, current: Epoch(row.epoch) });
        }
        row.saved = saved;
        Ok(())
    }

    async fn remove(&self, key: &CheckpointKey) -> Result<(), CheckpointError> {
        if let Some(row) = self.rows().get_mut(key) {
            // The epoch stays, so that a zombie of the removed processor is still told apart.
            *row = Row { epoch: row.epoch + 1, ..Row::default() };
        }
        Ok(())
    }

    async fn list(
        &self,
        after: Option<&CheckpointKey>,
        limit: usize,
    ) -> Result<Vec<CheckpointRecord>, CheckpointError> {
        let rows = self.rows();
        let mut keys: Vec<_> = rows.keys().filter(|key| after.is_none_or(|after| after < key)).collect();
        keys.sort_unstable();
        let record = |key: &CheckpointKey| CheckpointRecord {
            key: key.clone(),
            epoch: Epoch(rows[key].epoch),
            saved: rows[key].saved.clone(),
        };
        Ok(keys.into_iter().take(limit).map(record).collect())
    }

    async fn adopt(&self, record: CheckpointRecord) -> Result<(), CheckpointError> {
        let now = self.clock.now();
        let mut rows = self.rows();
        let row = rows.entry(record.key.clone()).or_default();
        if let Some(Holder { owner, remaining }) = row.holder(now) {
            return Err(CheckpointError::Owned { key: record.key, owner, remaining });
        }
        *row = Row { epoch: row.epoch.max(record.epoch.0) + 1, lease: None, saved: record.saved };
        Ok(())
    }
}
