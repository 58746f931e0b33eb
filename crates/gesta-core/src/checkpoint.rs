//! Where processors stopped, and who may run them.

use std::{fmt, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::{Position, Tenant};

/// Durable positions of processors, each owned by one process at a time.
///
/// A lease decides who *should* run; the epoch decides whose writes *count*: each new owner gets a higher one, and
/// a save under an older epoch is refused. So a process that slept through its lease can do no harm.
#[async_trait]
pub trait CheckpointStore: Send + Sync {
    /// Takes the checkpoint for `ttl`, or renews it: the same owner keeps its epoch, another gets the next one once
    /// the lease is over. No epoch is ever given out twice, not even after a crash.
    async fn claim(&self, key: &CheckpointKey, owner: &str, ttl: Duration) -> Result<Claim, CheckpointError>;

    /// Who has the checkpoint now, and for how much longer; `None` if nobody has. To ask is not to claim.
    ///
    /// A store that only wraps another one need not answer by itself: what stands here claims for an instant, which
    /// uses up an epoch where nobody has it.
    async fn holder(&self, key: &CheckpointKey) -> Result<Option<Holder>, CheckpointError> {
        match self.claim(key, "whoever asks", Duration::from_millis(1)).await {
            Ok(claim) => self.release(key, claim.epoch).await.map(|()| None),
            Err(CheckpointError::Owned { owner, remaining, .. }) => Ok(Some(Holder { owner, remaining })),
            Err(error) => Err(error),
        }
    }

    /// Ends the lease at once, so that another owner need not wait. A stale epoch is ignored.
    async fn release(&self, key: &CheckpointKey, epoch: Epoch) -> Result<(), CheckpointError>;

    /// What was last saved; [`Position::START`] and no state if nothing was.
    async fn load(&self, key: &CheckpointKey) -> Result<Checkpoint, CheckpointError>;

    /// Saves position and state together.
    async fn save(&self, key: &CheckpointKey, epoch: Epoch, saved: Checkpoint)
    -> Result<(), CheckpointError>;

    /// Forgets a checkpoint. Its next claim gets a higher epoch all the same.
    async fn remove(&self, key: &CheckpointKey) -> Result<(), CheckpointError>;

    /// What is kept, in the order of tenant and name byte by byte: at most `limit` records behind the key `after`.
    /// A removed checkpoint and one that was only claimed are among them, for their epoch.
    async fn list(
        &self,
        after: Option<&CheckpointKey>,
        limit: usize,
    ) -> Result<Vec<CheckpointRecord>, CheckpointError>;

    /// Takes over what another store has kept. Every epoch that was given out before, here or there, is stale
    /// afterwards, and the checkpoint is free. Refused as [`CheckpointError::Owned`] under somebody's lease.
    ///
    /// The events up to its position must be in the log beside it first, as for any save.
    async fn adopt(&self, record: CheckpointRecord) -> Result<(), CheckpointError>;
}

/// The durable name of a processor of a tenant.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CheckpointKey {
    /// Whose processor.
    pub tenant: Tenant,
    /// Its name, such as `group/billing`.
    pub name: String,
}

impl CheckpointKey {
    /// A key.
    pub fn new(tenant: Tenant, name: impl Into<String>) -> Self {
        Self { tenant, name: name.into() }
    }
}

impl fmt::Display for CheckpointKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.tenant, self.name)
    }
}

/// Which owner of a checkpoint this is; a later owner's is higher, and 0 is nobody's.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
#[doc(alias = "fencing token")]
pub struct Epoch(pub u64);

/// A position with the small opaque state that belongs to it, such as a group's table of deliveries.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[doc(alias = "tracking token")]
pub struct Checkpoint {
    /// Everything up to here is handled.
    pub position: Position,
    /// The processor's own; at most 16 MiB.
    pub state: Bytes,
}

/// A checkpoint as it is kept, apart from its lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckpointRecord {
    /// Which one.
    pub key: CheckpointKey,
    /// The epoch that was given out last; 0 for none.
    pub epoch: Epoch,
    /// What was saved last.
    pub saved: Checkpoint,
}

/// Who has a checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// The name the owner gave.
    pub owner: String,
    /// For how much longer, unless renewed.
    pub remaining: Duration,
}

/// A lease with its epoch, and where to go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// The owner's epoch.
    pub epoch: Epoch,
    /// What was last saved.
    pub checkpoint: Checkpoint,
}

/// Why a checkpoint could not be claimed, read or saved.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum CheckpointError {
    /// Somebody else runs it.
    #[error("{key} is run by {owner} for another {remaining:?}")]
    Owned {
        /// Which checkpoint.
        key: CheckpointKey,
        /// By whom.
        owner: String,
        /// For how much longer, unless renewed.
        remaining: Duration,
    },
    /// A later owner has taken over: stop and claim again.
    #[error("{key} was taken over: epoch {} is stale, {} is current", stale.0, current.0)]
    Stale {
        /// Which checkpoint.
        key: CheckpointKey,
        /// The epoch that was used.
        stale: Epoch,
        /// The one that counts.
        current: Epoch,
    },
    /// The store cannot be used now.
    #[error("checkpoints cannot be used: {reason}")]
    Unavailable {
        /// Why, and what to do.
        reason: String,
    },
}
