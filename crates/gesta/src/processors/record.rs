//! What is remembered of a processor beside its checkpoint: whether it is paused, and its generations.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use gesta_core::{
    Checkpoint, CheckpointError, CheckpointKey, CheckpointStore, Position,
    read_model::{Commit, ReadModelStore, Statement},
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::ProcessorsError;

/// For how long a change of a record keeps others out. One that takes longer counts all the same, unless somebody else
/// has begun meanwhile.
const LEASE: Duration = Duration::from_secs(5);
/// How soon a record is asked for again while another process changes it, and how often: for longer than the lease of
/// one that was killed.
const AGAIN: Duration = Duration::from_millis(100);
const TRIES: u32 = 120;

/// What is remembered: the state of a checkpoint of its own.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Record {
    /// Whether it is to be paused.
    pub(super) paused: bool,
    /// The highest number a generation ever had.
    pub(super) last: u64,
    /// What queries see.
    pub(super) at_work: Option<Generation>,
    /// What they saw before.
    pub(super) before: Option<Generation>,
    /// What is being built, or brought up to date again.
    pub(super) building: Option<Generation>,
    /// Whether somebody put the generation at work back although the definition is another: it stays.
    pub(super) held: bool,
    /// Whether what is being built was at work before, and is kept when that is given up.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) is_former: bool,
}

/// One set of tables.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Generation {
    pub(super) number: u64,
    /// The definition that built it.
    pub(super) fingerprint: Uuid,
    /// Its tables, as queries name them.
    pub(super) tables: Vec<String>,
}

impl Record {
    /// A generation with a number that no other ever had.
    pub(super) fn next(&mut self, fingerprint: Uuid, tables: &[String]) -> Generation {
        self.last += 1;
        Generation { number: self.last, fingerprint, tables: tables.to_vec() }
    }

    /// The number of the generation at work; 0 for a handler.
    pub(super) fn number(&self) -> u64 {
        self.at_work.as_ref().map_or(0, |at_work| at_work.number)
    }

    /// What is remembered under this key: nothing yet where nothing was saved.
    pub(super) fn from_bytes(key: &CheckpointKey, state: &[u8]) -> Result<Self, ProcessorsError> {
        if state.is_empty() {
            return Ok(Self::default());
        }
        serde_json::from_slice(state).map_err(|error| ProcessorsError::Unavailable {
            reason: format!("what {key} remembers cannot be read ({error}): use a newer release"),
        })
    }
}

/// Where a record is kept.
pub(super) struct Records {
    pub(super) checkpoints: Arc<dyn CheckpointStore>,
    pub(super) read_models: Option<Arc<dyn ReadModelStore>>,
    pub(super) owner: String,
    pub(super) key: CheckpointKey,
}

impl Records {
    /// The record as it is now.
    pub(super) async fn load(&self) -> Result<Record, ProcessorsError> {
        Record::from_bytes(&self.key, &self.checkpoints.load(&self.key).await?.state)
    }

    /// Changes the record and the tables in one transaction. Of several processes one does it at a time.
    pub(super) async fn change<T>(
        &self,
        change: impl FnOnce(&mut Record) -> Result<(T, Vec<Statement>), ProcessorsError>,
    ) -> Result<(T, Record), ProcessorsError> {
        let claim = self.claim().await?;
        let changed = self.commit(&claim, change).await;
        // A claim that cannot be ended ends by itself.
        let _ = self.checkpoints.release(&self.key, claim.epoch).await;
        changed
    }

    async fn claim(&self) -> Result<gesta_core::Claim, ProcessorsError> {
        let mut tries = 1;
        loop {
            match self.checkpoints.claim(&self.key, &self.owner, LEASE).await {
                Ok(claim) => return Ok(claim),
                Err(CheckpointError::Owned { remaining, .. }) if tries < TRIES => {
                    tokio::time::sleep(remaining.min(AGAIN)).await;
                }
                Err(error) => return Err(error.into()),
            }
            tries += 1;
        }
    }

    async fn commit<T>(
        &self,
        claim: &gesta_core::Claim,
        change: impl FnOnce(&mut Record) -> Result<(T, Vec<Statement>), ProcessorsError>,
    ) -> Result<(T, Record), ProcessorsError> {
        let before = Record::from_bytes(&self.key, &claim.checkpoint.state)?;
        let mut record = before.clone();
        let (answer, statements) = change(&mut record)?;
        if record == before && statements.is_empty() {
            return Ok((answer, record));
        }
        let state = Bytes::from(serde_json::to_vec(&record).expect("numbers and texts are JSON"));
        // The record has no place in the log.
        let checkpoint = Checkpoint { position: Position::START, state };
        match &self.read_models {
            Some(store) => {
                let (key, epoch, after) = (self.key.clone(), claim.epoch, Position::START);
                store.commit(Commit { key, epoch, after, checkpoint, statements }).await?;
            }
            None => self.checkpoints.save(&self.key, claim.epoch, checkpoint).await?,
        }
        Ok((answer, record))
    }
}
