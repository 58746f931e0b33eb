//! The claim on a checkpoint, renewed while work goes on.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use gesta_core::{Checkpoint, CheckpointError, CheckpointKey, CheckpointStore, Claim, Epoch};
use tokio::time::Instant;

use crate::planted;

/// A claim that cannot be renewed is asked for again so soon.
const AGAIN: Duration = Duration::from_secs(1);

/// Who claims a checkpoint, and for how long.
pub(crate) struct Bid {
    pub(crate) checkpoints: Arc<dyn CheckpointStore>,
    pub(crate) gate: Option<Arc<dyn Gate>>,
    pub(crate) key: CheckpointKey,
    pub(crate) owner: String,
    pub(crate) ttl: Duration,
}

/// Is asked before a checkpoint is claimed, or a claim renewed, whether it may be.
#[async_trait]
pub(crate) trait Gate: Send + Sync {
    /// Fails as a claim does.
    async fn pass(&self, key: &CheckpointKey) -> Result<(), CheckpointError>;
}

/// The claim on a checkpoint.
pub(crate) struct Lease {
    bid: Bid,
    /// When it is time to renew it.
    pub(crate) renew_at: Instant,
    pub(crate) epoch: Epoch,
}

/// The checkpoint is no longer this owner's.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Lost {
    /// The claim was over before it was renewed.
    #[error("the claim ran out")]
    RanOut,
    /// Somebody else has it now.
    #[error(transparent)]
    Taken(CheckpointError),
    /// Only another claim can go on, for this reason.
    #[error("{0}")]
    Given(String),
}

impl Bid {
    async fn ask(&self) -> Result<Claim, CheckpointError> {
        if let Some(gate) = &self.gate {
            gate.pass(&self.key).await?;
        }
        self.checkpoints.claim(&self.key, &self.owner, self.ttl).await
    }

    /// Claims the checkpoint under an epoch that nobody had before, this owner included.
    pub(crate) async fn claim(self) -> Result<(Lease, Checkpoint), CheckpointError> {
        let claimed = self.ask().await?;
        // Somebody of this owner may still be at work on its epoch: let go of it, so that a new one begins.
        self.checkpoints.release(&self.key, claimed.epoch).await?;
        let claim = self.ask().await?;
        let renew_at = Instant::now() + self.ttl / 3;
        Ok((Lease { bid: self, renew_at, epoch: claim.epoch }, claim.checkpoint))
    }
}

impl Lease {
    /// Does some work and renews the claim meanwhile; when the claim is lost the work is dropped.
    pub(crate) async fn during<T>(&mut self, work: impl Future<Output = T>) -> Result<T, Lost> {
        tokio::select! {
            biased;
            done = work => Ok(done),
            lost = self.keep() => Err(lost),
        }
    }

    /// Renews the claim for ever.
    async fn keep(&mut self) -> Lost {
        loop {
            tokio::time::sleep_until(self.renew_at).await;
            if let Err(lost) = self.renew().await {
                return lost;
            }
        }
    }

    /// Renews the claim; where that cannot be done now, it is time for another try in a moment.
    pub(crate) async fn renew(&mut self) -> Result<(), Lost> {
        match self.bid.ask().await {
            Ok(claim) if claim.epoch == self.epoch => self.renew_at = Instant::now() + self.bid.ttl / 3,
            Ok(_) => return Err(Lost::RanOut),
            Err(error @ CheckpointError::Owned { .. }) => return Err(Lost::Taken(error)),
            // Not needed for safety: a save under an old epoch is refused.
            Err(error) => {
                tracing::info!(key = %self.bid.key, %error, "a claim could not be renewed");
                self.renew_at = Instant::now() + AGAIN;
            }
        }
        Ok(())
    }

    /// Saves a checkpoint; a later owner makes it fail for good.
    pub(crate) async fn save(&self, saved: Checkpoint) -> Result<Result<(), Lost>, CheckpointError> {
        match self.bid.checkpoints.save(&self.bid.key, self.epoch, saved).await {
            Err(CheckpointError::Stale { .. }) if planted::armed("stale_epoch_accepted") => Ok(Ok(())),
            Err(error @ CheckpointError::Stale { .. }) => Ok(Err(Lost::Taken(error))),
            other => other.map(Ok),
        }
    }

    /// Ends the claim at once.
    pub(crate) async fn release(self) {
        let Bid { checkpoints, key, .. } = self.bid;
        if let Err(error) = checkpoints.release(&key, self.epoch).await {
            tracing::warn!(%key, %error, "a claim ends by itself");
        }
    }
}
