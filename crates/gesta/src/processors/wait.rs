//! Waits for a position, and tells a processor to pause and to go on.

use std::{sync::Arc, time::Duration};

use gesta_core::Position;

use super::{
    ProcessorsError, WaitError,
    entry::{Entry, Running},
    record::Record,
};
use crate::{ProcessorHandle, ProcessorState};

impl Entry {
    /// Waits until everything up to `position` is handled by the generation that queries see.
    pub(super) async fn wait_for(
        &self,
        position: Position,
        timeout: Duration,
    ) -> Result<Position, WaitError> {
        let waiting = async {
            if !self.ports.is_following() {
                return self.reach(position).await;
            }
            tokio::select! {
                biased;
                Ok(reached) = self.reach(position) => Ok(reached),
                reached = self.reach_elsewhere(position) => reached,
            }
        };
        match tokio::time::timeout(timeout, waiting).await {
            Ok(answer) => answer,
            Err(_) => Err(WaitError::Timeout {
                name: self.name.clone(),
                asked: position,
                stands: self.status().position,
                waited: timeout,
            }),
        }
    }

    async fn reach(&self, position: Position) -> Result<Position, WaitError> {
        let mut changes = self.changes();
        loop {
            changes.mark_unchanged();
            let watched = self.running().at_work.as_ref().map(ProcessorHandle::watch);
            let Some(mut watched) = watched else {
                self.stopped(position)?;
                // Not started yet, or between two generations.
                let _ = changes.changed().await;
                continue;
            };
            let is = |status: &crate::ProcessorStatus| {
                status.position >= position || matches!(status.state, ProcessorState::Stopped { .. })
            };
            tokio::select! {
                _ = changes.changed() => continue,
                found = watched.wait_for(is) => if let Ok(status) = found && status.position >= position {
                    return Ok(status.position);
                },
            }
            let same = self.running().at_work.as_ref().is_some_and(|now| now.watch().same_channel(&watched));
            if same {
                self.stopped(position)?;
            }
        }
    }

    /// Fails if it has stopped before this position.
    pub(super) fn stopped(&self, position: Position) -> Result<(), WaitError> {
        let status = self.status();
        match status.state {
            ProcessorState::Stopped { reason } if status.position < position => Err(WaitError::Stopped {
                name: self.name.clone(),
                stands: status.position,
                reason: reason.unwrap_or_else(|| "it was told to stop".into()),
            }),
            _ => Ok(()),
        }
    }

    pub(super) async fn pause(&self) -> Result<(), ProcessorsError> {
        let _turn = self.turn.lock().await;
        self.set_paused(true).await?;
        let running = self.running();
        handles(&running).for_each(ProcessorHandle::pause);
        Ok(())
    }

    pub(super) async fn resume(self: &Arc<Self>) -> Result<(), ProcessorsError> {
        let _turn = self.turn.lock().await;
        self.set_paused(false).await?;
        let over = {
            let running = self.running();
            handles(&running).for_each(ProcessorHandle::resume);
            let over =
                |handle: &ProcessorHandle| matches!(handle.status().state, ProcessorState::Stopped { .. });
            running.at_work.is_none() || handles(&running).any(over)
        };
        if over {
            self.stop().await;
            self.begin_in_turn().await?;
        }
        Ok(())
    }

    async fn set_paused(&self, paused: bool) -> Result<(), ProcessorsError> {
        let set = |record: &mut Record| {
            record.paused = paused;
            Ok(((), Vec::new()))
        };
        self.change(set).await
    }
}

/// The loops that run.
fn handles(running: &Running) -> impl Iterator<Item = &ProcessorHandle> {
    let building = running.building.as_ref().map(|building| &building.handle);
    running.at_work.iter().chain(building)
}
