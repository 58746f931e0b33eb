//! Keeps a process from running what another one has changed meanwhile.

use std::sync::Weak;

use async_trait::async_trait;
use gesta_core::{CheckpointError, CheckpointKey, Holder};

use super::entry::Entry;
use crate::lease::Gate;

/// Lets a checkpoint be claimed only while this process goes by what is recorded of its processor: one that takes over from
/// another must neither run what that one was told to pause, nor a generation that it has replaced.
///
/// A generation that is being built is claimed by the process that has the one at work: only that one can hold it up while it
/// puts the other in its place, so that no reader steps back.
pub(super) struct OwnTurn {
    pub(super) entry: Weak<Entry>,
    pub(super) generation: u64,
}

impl Entry {
    /// Who has the generation at work, if that is another process than this, and another generation than `generation`, which
    /// the other can build as well.
    pub(super) async fn steered_by(&self, generation: u64) -> Result<Option<Holder>, CheckpointError> {
        let at_work = self.running().record.at_work.clone();
        let Some(at_work) =
            at_work.filter(|at_work| at_work.number != generation && self.work.built(at_work))
        else {
            return Ok(None);
        };
        self.held_elsewhere(at_work.number).await
    }
}

#[async_trait]
impl Gate for OwnTurn {
    async fn pass(&self, key: &CheckpointKey) -> Result<(), CheckpointError> {
        let Some(entry) = self.entry.upgrade().filter(|entry| entry.ports.is_following()) else {
            return Ok(());
        };
        let unavailable = |reason| CheckpointError::Unavailable { reason };
        let stored = entry.records().load().await.map_err(|error| unavailable(error.to_string()))?;
        if stored != entry.running().record {
            return Err(unavailable("another process has changed it: it begins anew in a moment".into()));
        }
        match entry.steered_by(self.generation).await? {
            Some(Holder { owner, remaining }) => {
                Err(CheckpointError::Owned { key: key.clone(), owner, remaining })
            }
            None => Ok(()),
        }
    }
}
