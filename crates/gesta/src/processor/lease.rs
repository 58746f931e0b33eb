//! The claim on a checkpoint, renewed while work goes on.

use std::{sync::Arc, time::Duration};

use gesta_core::{Checkpoint, CheckpointError, CheckpointKey, CheckpointStore, Epoch};
use tokio::time::Instant;

use crate::planted;

/// The claim on a checkpoint.
pub(super) struct Lease {
    checkpoints: Arc<dyn CheckpointStore>,
    key: CheckpointKey,
    owner: String,
    ttl: Duration,
    renew_at: Instant,
    pub(super) epoch: Epoch,
}

/// Somebody else has the checkpoint now.
#[derive(Debug)]
pub(super) struct Lost(pub(super) String);

impl Lease {
    /// Claims a checkpoint under an epoch that nobody had before, this owner included.
    pub(super) async fn claim(
        checkpoints: Arc<dyn CheckpointStore>,
        key: CheckpointKey,
        owner: String,
        ttl: Duration,
    ) -> Result<(Self, Checkpoint), CheckpointError> {
        let claimed = checkpoints.claim(&key, &owner, ttl).await?;
        // A loop of this owner may still be at work on its epoch: let go of it, so that a new one begins.
        checkpoints.release(&key, claimed.epoch).await?;
        let claim = checkpoints.claim(&key, &owner, ttl).await?;
        let renew_at = Instant::now() + ttl / 3;
        Ok((Self { checkpoints, key, owner, ttl, renew_at, epoch: claim.epoch }, claim.checkpoint))
    }

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
            match self.checkpoints.claim(&self.key, &self.owner, self.ttl).await {
                Ok(claim) if claim.epoch == self.epoch => self.renew_at = Instant::now() + self.ttl / 3,
                Ok(_) => return Lost("the claim ran out".into()),
                Err(error @ CheckpointError::Owned { .. }) => return Lost(error.to_string()),
                // Not needed for safety: a save under an old epoch is refused.
                Err(_) => self.renew_at = Instant::now() + Duration::from_secs(1),
            }
        }
    }

    /// Saves a checkpoint; a later owner makes it fail for good.
    pub(super) async fn save(&self, saved: Checkpoint) -> Result<Result<(), Lost>, CheckpointError> {
        match self.checkpoints.save(&self.key, self.epoch, saved).await {
            Err(CheckpointError::Stale { .. }) if planted::armed("stale_epoch_accepted") => Ok(Ok(())),
            Err(error @ CheckpointError::Stale { .. }) => Ok(Err(Lost(error.to_string()))),
            other => other.map(Ok),
        }
    }

    /// Ends the claim at once.
    pub(super) async fn release(self) {
        if let Err(error) = self.checkpoints.release(&self.key, self.epoch).await {
            tracing::warn!(key = %self.key, %error, "the claim of a processor ends by itself");
        }
    }
}
