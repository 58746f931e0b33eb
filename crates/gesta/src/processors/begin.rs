//! Starts a processor where it was left, or all over.

use std::sync::Arc;

use gesta_core::CheckpointError;

use super::{
    ProcessorsError,
    entry::{Definition, Entry, Work},
    record::{Generation, Record},
};
use crate::projection::generation;

/// How often a handler is begun anew against other processes that begin it.
const TRIES: usize = 5;

impl Entry {
    /// Starts what was left running, goes on with a rebuild, and begins one if the definition has changed.
    pub(super) async fn begin(self: &Arc<Self>) -> Result<(), ProcessorsError> {
        let _turn = self.turn.lock().await;
        self.begin_in_turn().await
    }

    pub(super) async fn begin_in_turn(self: &Arc<Self>) -> Result<(), ProcessorsError> {
        match &self.work {
            Work::Handler(_) => {
                self.change(|_| Ok(((), Vec::new()))).await?;
                self.go_on(0);
            }
            Work::Projection(definition) => self.begin_projection(definition).await?,
        }
        self.running().has_begun = true;
        self.changed();
        Ok(())
    }

    /// Begins a handler at the start again, with nothing left out.
    ///
    /// Others are kept from the checkpoint until both is done. Whoever began in between would hold events behind letters that
    /// are then forgotten: nobody would come back to them.
    pub(super) async fn start_over(&self) -> Result<(), ProcessorsError> {
        let (checkpoints, key) = (self.checkpoints(), self.checkpoint_of(0));
        let claim = || checkpoints.claim(&key, &self.ports.owner, self.options.lease);
        for _ in 0..TRIES {
            checkpoints.remove(&key).await?;
            let epoch = match claim().await {
                Ok(claimed) => claimed.epoch,
                // Another process was faster: what it has begun is over with the next try.
                Err(CheckpointError::Owned { .. }) => continue,
                Err(error) => return Err(error.into()),
            };
            self.forget_dead_letters().await?;
            // Where that took longer than the lease, somebody may have begun all the same.
            match claim().await {
                Ok(claimed) if claimed.epoch == epoch => return Ok(checkpoints.release(&key, epoch).await?),
                Ok(_) | Err(CheckpointError::Owned { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        let reason = format!("other processes begin {} again and again: try again", self.name);
        Err(ProcessorsError::Unavailable { reason })
    }

    async fn begin_projection(self: &Arc<Self>, definition: &Definition) -> Result<(), ProcessorsError> {
        let mut given_up = None;
        let ((number, building), note) = self
            .change(|record| {
                let mut statements = Vec::new();
                let note = decide(definition, record, &mut statements, &mut given_up)?;
                Ok((((record.number(), record.building.clone()), note), statements))
            })
            .await?;
        let note = match note {
            None => self.lacks(number).await?,
            changed => changed,
        };
        match note {
            None => self.go_on(number),
            Some(note) => {
                tracing::warn!(processor = self.name, note, "processor left as it stands");
                self.leave(number, note).await?;
            }
        }
        if let Some(building) = building {
            self.build(&building).await?;
        }
        self.forget(given_up).await;
        Ok(())
    }
}

/// Brings the record in line with the definition of this program. Answers why the generation at work is to be left as it
/// stands; `None` to go on with it.
fn decide(
    definition: &Definition,
    record: &mut Record,
    statements: &mut Vec<gesta_core::read_model::Statement>,
    given_up: &mut Option<Generation>,
) -> Result<Option<String>, ProcessorsError> {
    let Some(at_work) = record.at_work.clone() else {
        let first = record.next(definition.fingerprint, &definition.names);
        *statements = definition.make(first.number)?;
        statements.extend(generation::show([], &definition.names, first.number));
        record.at_work = Some(first);
        return Ok(None);
    };
    if record.building.as_ref().is_some_and(|building| !definition.built(building)) {
        *given_up = record.building.take();
    }
    if definition.built(&at_work) {
        return Ok(None);
    }
    let number = at_work.number;
    if record.held {
        return Ok(Some(format!(
            "generation {number} was put back and stays as it stands: this program defines the read model otherwise; \
             rebuild it, or run the program that built it"
        )));
    }
    if record.building.is_none() {
        let kept = record.before.take_if(|before| definition.built(before));
        record.is_former = kept.is_some();
        let next = match kept {
            Some(kept) => kept,
            None => {
                let next = record.next(definition.fingerprint, &definition.names);
                *statements = definition.make(next.number)?;
                next
            }
        };
        record.building = Some(next);
    }
    Ok(Some(format!(
        "the definition has changed: generation {number} answers as it stands until the rebuild has caught up"
    )))
}
