//! The claim on a checkpoint, renewed while work goes on.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use gesta_core::{Checkpoint, CheckpointError, CheckpointKey, CheckpointStore, Claim, Epoch};
use tokio::time::Instant;

use crate::planted;

/// Who claims a checkpoint, and for how long.
pub(super) struct Bid {
    pub(super) checkpoints: Arc<dyn CheckpointStore>,
    pub(super) gate: Option<Arc<dyn Gate>>,
    pub(super) key: CheckpointKey,
    pub(super) owner: String,
    pub(super) ttl: Duration,
}

/// Is asked before a checkpoint is claimed, or a claim renewed, whether it may be.
#[async_trait]
pub(crate) trait Gate: Send + Sync {
    /// Fails as a claim does.
    async fn pass(&self, key: &CheckpointKey) -> Result<(), CheckpointError>;
}

/// The claim on a checkpoint.
pub(super) struct Lease {
    bid: Bid,
    renew_at: Instant,
    pub(super) epoch: Epoch,
}

/// Somebody else has the checkpoint now.
#[derive(Debug)]
pub(super) struct Lost(pub(super) String);

impl Bid {
    async fn ask(&self) -> Result<Claim, CheckpointError> {
        if let Some(gate) = &self.gate {
            gate.pass(&self.key).await?;
        }
        self.checkpoints.claim(&self.key, &self.owner, self.ttl).await
    }

    /// Claims the checkpoint under an epoch that nobody had before, this owner included.
    pub(super) async fn claim(self) -> Result<(Lease, Checkpoint), CheckpointError> {
        let claimed = self.ask().await?;
        // A loop of this owner may still be at work on its epoch: let go of it, so that a new one begins.
        self.checkpoints.release(&self.key, claimed.epoch).await?;
        let claim = self.ask().await?;
        let renew_at = Instant::now() + self.ttl / 3;
        Ok((Lease { bid: self, renew_at, epoch: claim.epoch }, claim.checkpoint))
    }
}

impl Lease {
    /// Does some work and renews the claim meanwhile; when the claim is lost the work is dropped.
    pub(super) async fn during<T>(&mut self, work: impl Future<Output = T>) -> Result<T, Lost> {
        tokio::select! {
            biased;
            done = work => Ok(done),
            lost = self.renew() => Err(lost),
        }
    }

    /// Renews the claim for ever.
    async fn renew(&mut self) -> Lost {
        loop {
            tokio::time::sleep_until(self.renew_at).await;
            match self.bid.ask().await {
                Ok(claim) if claim.epoch == self.epoch => self.renew_at = Instant::now() + self.bid.ttl / 3,
                Ok(_) => return Lost("the claim ran out".into()),
                Err(error @ CheckpointError::Owned { .. }) => return Lost(error.to_string()),
                // Not needed for safety: a save under an old epoch is refused.
                Err(_) => self.renew_at = Instant::now() + Duration::from_secs(1),
            }
        }
    }

    /// Saves a checkpoint; a later owner makes it fail for good.
    pub(super) async fn save(&self, saved: Checkpoint) -> Result<Result<(), Lost>, CheckpointError> {
        match self.bid.checkpoints.save(&self.bid.key, self.epoch, saved).await {
            Err(CheckpointError::Stale { .. }) if planted::armed("stale_epoch_accepted") => Ok(Ok(())),
            Err(error @ CheckpointError::Stale { .. }) => Ok(Err(Lost(error.to_string()))),
            other => other.map(Ok),
        }
    }

    /// Ends the claim at once.
    pub(super) async fn release(self) {
        let Bid { checkpoints, key, .. } = self.bid;
        if let Err(error) = checkpoints.release(&key, self.epoch).await {
            tracing::warn!(%key, %error, "the claim of a processor ends by itself");
        }
    }
}
