//! What other processes on the same log make of the processors that this one knows as well.

use std::{sync::Arc, time::Duration};

use futures_util::TryStreamExt;
use gesta_core::{CheckpointKey, Holder, Position, ReadAll, ReadError};
use tokio::task::JoinHandle;

use super::{Processors, ProcessorsError, WaitError, entry::Entry, record::Record};
use crate::{ProcessorState, ProcessorStatus};

/// How often a position is looked for that another process is to reach.
const LOOK: Duration = Duration::from_millis(20);

/// Keeps the processors of a process in line with what other processes do; ends when it is dropped.
pub struct Following(JoinHandle<()>);

impl Drop for Following {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// What was last seen of a processor that does not run here.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    /// Who runs it.
    pub(super) owner: Option<String>,
    pub(super) status: ProcessorStatus,
    /// How far another process has come with what it builds.
    pub(super) built: Option<ProcessorStatus>,
}

impl Processors {
    /// Follows what other processes on the same log do, with a look `every` so often: for processes that share checkpoints.
    ///
    /// What another one runs is then listed as it was last saved, with the name of its owner; a rebuild, a pause or a swap
    /// that another one was told holds here as well when this one takes over; and [`Processors::wait_for`] waits for what
    /// others handle. Processors that were not started are followed, too.
    pub fn follow(self: &Arc<Self>, every: Duration) -> Following {
        self.ports.set_following();
        let followed = Arc::downgrade(self);
        Following(tokio::spawn(async move {
            let mut interval = tokio::time::interval(every);
            interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
            loop {
                interval.tick().await;
                let Some(processors) = followed.upgrade() else { return };
                for entry in processors.all() {
                    if let Err(error) = entry.look().await {
                        tracing::debug!(processor = entry.name, %error, "a processor cannot be followed now");
                    }
                }
            }
        }))
    }

    /// The other process that runs one of them now, and the checkpoint it has for that; `None` if this one does, or nobody.
    pub async fn elsewhere(&self, name: &str) -> Result<Option<(CheckpointKey, Holder)>, ProcessorsError> {
        let entry = self.find(name)?;
        if entry.runs_here() {
            return Ok(None);
        }
        let number = entry.records().load().await?.number();
        let holder = entry.held_elsewhere(number).await?;
        Ok(holder.map(|holder| (entry.checkpoint_of(number), holder)))
    }
}

impl Entry {
    /// Whether this process has the claim on the generation at work.
    pub(super) fn runs_here(&self) -> bool {
        self.running().has_claim()
    }

    /// Brings this process in line with what is recorded, and looks how far the owner is.
    async fn look(self: &Arc<Self>) -> Result<(), ProcessorsError> {
        // An operation that is under way here knows better.
        let Ok(_turn) = self.turn.try_lock() else { return Ok(()) };
        let stored = self.records().load().await?;
        let (same, begun) = {
            let running = self.running();
            (running.record == stored, running.at_work.is_some() || running.idle.is_some())
        };
        if !same && begun {
            self.go_by(&stored).await?;
        } else if !same {
            self.running().record = stored.clone();
        }
        self.observe(&stored).await
    }

    /// Stops what runs here and begins as another process has recorded it. Nothing is recorded: two programs that define a
    /// read model differently would undo each other's work for ever.
    async fn go_by(self: &Arc<Self>, stored: &Record) -> Result<(), ProcessorsError> {
        tracing::info!(processor = self.name, "another process has changed a processor");
        self.stop().await;
        self.running().record = stored.clone();
        let number = stored.number();
        if stored.at_work.as_ref().is_none_or(|at_work| self.work.built(at_work)) {
            self.go_on(number);
        } else {
            let note = format!(
                "another program has built generation {number} and defines the read model otherwise: this one leaves it"
            );
            self.leave(number, note).await?;
        }
        if let Some(building) = stored.building.as_ref().filter(|building| self.work.built(building)) {
            self.build(building).await?;
        }
        self.changed();
        Ok(())
    }

    /// Looks how far a processor is that does not run here, and who runs it.
    async fn observe(&self, stored: &Record) -> Result<(), ProcessorsError> {
        let seen = if self.runs_here() { None } else { Some(self.seen_of(stored).await?) };
        self.running().seen = seen;
        Ok(())
    }

    async fn seen_of(&self, stored: &Record) -> Result<Seen, ProcessorsError> {
        let owner = self.held_elsewhere(stored.number()).await?.map(|holder| holder.owner);
        let reason = match &owner {
            Some(owner) => format!("{owner} runs it"),
            None => "no process runs it".to_owned(),
        };
        let status = self.saved_of(stored.number(), &reason).await?;
        let built = match &stored.building {
            Some(building) => Some(self.saved_of(building.number, &reason).await?),
            None => None,
        };
        Ok(Seen { owner, status, built })
    }

    async fn saved_of(&self, generation: u64, reason: &str) -> Result<ProcessorStatus, ProcessorsError> {
        let mut status =
            self.saved(generation, ProcessorState::Waiting { reason: reason.to_owned() }).await?;
        // A place without events is saved rarely: where nothing is left to handle, the owner is at the head.
        let head = self.hints.latest();
        if status.position < head
            && self.has_nothing_between(status.position, head).await.is_ok_and(|nothing| nothing)
        {
            status.position = head;
        }
        Ok(status)
    }

    /// Whether no event between two places is one for this processor.
    async fn has_nothing_between(&self, after: Position, up_to: Position) -> Result<bool, ReadError> {
        let read = ReadAll::of(self.work.filter()).after(after).up_to(up_to).limit(1);
        Ok(self.ports.store.read_all(read).try_next().await?.is_none())
    }

    /// Whether another process, which has saved this place, has handled everything up to `position`: what is not for
    /// the processor moves its place without being saved each time. `looked` is the place that was looked behind before.
    async fn is_past(&self, saved: Position, position: Position, looked: &mut Option<Position>) -> bool {
        if saved >= position {
            return true;
        }
        if *looked == Some(saved) || !self.is_readable(position).await {
            return false;
        }
        // What cannot be read now is read at the next look.
        let Ok(nothing) = self.has_nothing_between(saved, position).await else { return false };
        *looked = Some(saved);
        nothing
    }

    async fn is_readable(&self, position: Position) -> bool {
        self.hints.latest() >= position
            || self.ports.store.head().await.is_ok_and(|head| head.position >= position)
    }

    /// Waits until another process has handled everything up to `position`, or this one runs it.
    pub(super) async fn reach_elsewhere(&self, position: Position) -> Result<Position, WaitError> {
        let mut looked = None;
        loop {
            if !self.runs_here()
                && let Ok(record) = self.records().load().await
                && let Ok(saved) = self.checkpoints().load(&self.checkpoint_of(record.number())).await
                && self.is_past(saved.position, position, &mut looked).await
            {
                return Ok(saved.position.max(position));
            }
            if self.running().seen.as_ref().is_none_or(|seen| seen.owner.is_none()) {
                self.stopped(position)?;
            }
            tokio::time::sleep(LOOK).await;
        }
    }
}
