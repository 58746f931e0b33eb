//! Builds a generation beside the one at work, and puts it in its place.

use std::{sync::Arc, time::Duration};

use gesta_core::Position;

use super::{
    ProcessorsError,
    entry::{Building, Entry, Work},
    record::{Generation, Record},
};
use crate::{ProcessorOptions, ProcessorState, ProcessorStatus, projection::generation};

/// So many events at once go into a generation that nobody sees yet.
const BATCH: usize = 1_000;
/// So close to the head a generation is when the one at work is held up for the rest.
const CLOSE: u64 = 1_000;
/// For so long the one at work is held up at most; then it goes on for a while.
const HELD_UP: Duration = Duration::from_secs(5);

impl Entry {
    /// Begins a new generation.
    pub(super) async fn rebuild(self: &Arc<Self>) -> Result<(), ProcessorsError> {
        let definition = self.projection()?;
        let _turn = self.turn.lock().await;
        self.has_begun()?;
        self.no_build_runs()?;
        let given_up = self.stop_building().await;
        let next = self
            .change(|record| {
                let next = record.next(definition.fingerprint, &definition.names);
                let statements = definition.make(next.number)?;
                (record.building, record.is_former) = (Some(next.clone()), false);
                Ok((next, statements))
            })
            .await?;
        self.build(&next).await?;
        self.forget(given_up).await;
        Ok(())
    }

    /// Puts the generation before back in place.
    pub(super) async fn swap_back(self: &Arc<Self>) -> Result<(), ProcessorsError> {
        let definition = self.projection()?;
        let _turn = self.turn.lock().await;
        self.has_begun()?;
        self.no_build_runs()?;
        let Record { before, at_work, .. } = self.running().record.clone();
        let generation = at_work.map_or(0, |at_work| at_work.number);
        let nothing = || ProcessorsError::NothingBefore { name: self.name.clone(), generation };
        let before = before.ok_or_else(nothing)?;
        if !definition.built(&before) {
            return self.put_back(&before).await;
        }
        let given_up = self.stop_building().await;
        let swap = |record: &mut Record| {
            (record.building, record.is_former) = (record.before.take(), true);
            Ok(((), Vec::new()))
        };
        self.change(swap).await?;
        self.build(&before).await?;
        self.forget(given_up).await;
        Ok(())
    }

    /// Gives up what is being built. A former generation is kept for another time.
    pub(super) async fn cancel_rebuild(self: &Arc<Self>) -> Result<(), ProcessorsError> {
        self.projection()?;
        let _turn = self.turn.lock().await;
        self.has_begun()?;
        let nothing = || ProcessorsError::NothingBuilt { name: self.name.clone() };
        let building = self.stop_building().await.ok_or_else(nothing)?;
        let give_up = |record: &mut Record| {
            let built = record.building.take();
            let is_former = std::mem::take(&mut record.is_former);
            if is_former {
                record.before = built;
            }
            Ok((is_former, Vec::new()))
        };
        let is_former = self.change(give_up).await?;
        self.running().note = None;
        self.forget((!is_former).then_some(building)).await;
        Ok(())
    }

    /// Shows a generation that another definition built; it stays as it stands.
    async fn put_back(self: &Arc<Self>, before: &Generation) -> Result<(), ProcessorsError> {
        self.stop_at_work().await;
        let given_up = self.stop_building().await;
        let put = |record: &mut Record| {
            let hidden = record.at_work.replace(before.clone());
            let tables = hidden.iter().flat_map(|hidden| &hidden.tables);
            let statements = generation::show(tables, &before.tables, before.number);
            (record.before, record.held) = (hidden, true);
            record.building = None;
            Ok(((), statements))
        };
        self.change(put).await?;
        self.begin_in_turn().await?;
        self.forget(given_up).await;
        Ok(())
    }

    /// Begins at the start again, in view of readers.
    pub(super) async fn reset(self: &Arc<Self>) -> Result<(), ProcessorsError> {
        let _turn = self.turn.lock().await;
        self.has_begun()?;
        self.stop_at_work().await;
        let given_up = self.stop_building().await;
        let Work::Projection(definition) = &self.work else {
            self.start_over().await?;
            return self.begin_in_turn().await;
        };
        let old = self
            .change(|record| {
                let next = record.next(definition.fingerprint, &definition.names);
                let old = [record.at_work.take(), record.before.take(), record.building.take()];
                let mut statements = definition.make(next.number)?;
                let seen = old[0].iter().flat_map(|old| &old.tables);
                statements.extend(generation::show(seen, &definition.names, next.number));
                record.at_work = Some(next);
                record.held = false;
                Ok((old, statements))
            })
            .await?;
        self.begin_in_turn().await?;
        self.forget(old.into_iter().flatten().chain(given_up)).await;
        Ok(())
    }

    /// Runs a generation that is being built, and what puts it in its place.
    pub(super) async fn build(self: &Arc<Self>, building: &Generation) -> Result<(), ProcessorsError> {
        let from = self.checkpoints().load(&self.checkpoint_of(building.number)).await?.position;
        let options = ProcessorOptions { batch: self.options.batch.max(BATCH), ..self.options.clone() };
        let handle = self.run(building.number, options);
        let since = self.ports.clock.now();
        // The task looks for what it is to watch: it must not be faster than what is put there.
        let mut running = self.running();
        let swap = tokio::spawn(Arc::clone(self).swap_when_ready(building.number));
        running.building = Some(Building { handle, from, since, swap });
        drop(running);
        Ok(())
    }

    pub(super) fn has_begun(&self) -> Result<(), ProcessorsError> {
        let running = self.running();
        if running.at_work.is_some() || running.idle.is_some() {
            return Ok(());
        }
        let name = &self.name;
        let reason = match running.has_begun {
            true => format!("{name} does not run, because what it was told last failed half way: resume it"),
            false => format!("{name} has not been started yet: start all first"),
        };
        Err(ProcessorsError::Unavailable { reason })
    }

    fn no_build_runs(&self) -> Result<(), ProcessorsError> {
        let running = self.running();
        let (Some(building), Some(generation)) = (&running.building, &running.record.building) else {
            return Ok(());
        };
        if is_over(&building.handle.status()) {
            return Ok(());
        }
        Err(ProcessorsError::Rebuilding { name: self.name.clone(), generation: generation.number })
    }

    /// Stops a rebuild that goes nowhere, and answers with what it leaves behind.
    async fn stop_building(&self) -> Option<Generation> {
        let (building, generation) = {
            let mut running = self.running();
            (running.building.take()?, running.record.building.clone())
        };
        building.swap.abort();
        building.handle.stop().await;
        generation
    }

    /// Stops the one at work, if it runs; answers with how it fared.
    pub(super) async fn stop_at_work(&self) -> Option<ProcessorStatus> {
        let handle = self.running().at_work.take()?;
        Some(handle.stop().await)
    }

    /// Stops everything, once an operation that is under way is done.
    pub(super) async fn shut_down(&self) {
        if let Some(building) = &self.running().building {
            building.swap.abort();
        }
        let _turn = self.turn.lock().await;
        self.stop_building().await;
        if let Some(stopped) = self.stop_at_work().await {
            self.running().idle = Some(stopped);
            self.changed();
        }
    }

    /// Stops everything.
    pub(super) async fn stop(&self) {
        self.stop_building().await;
        self.stop_at_work().await;
    }

    /// Drops the tables and the checkpoints of generations that nobody needs. What fails is left behind, which costs
    /// space and nothing else: no number is used twice.
    pub(super) async fn forget(&self, generations: impl IntoIterator<Item = Generation>) {
        for Generation { number, tables, .. } in generations {
            // First the checkpoint: its epoch rises, so nobody writes the tables any more.
            let removed = self.checkpoints().remove(&self.checkpoint_of(number)).await;
            let dropped = self.records().change(|_| Ok(((), generation::drop_tables(&tables, number)))).await;
            let failed = removed.map_err(ProcessorsError::from).and(dropped);
            if let Err(reason) = failed {
                let processor = &self.name;
                tracing::warn!(processor, generation = number, %reason, "an old generation is left behind");
            }
        }
    }

    /// Waits until the generation that is being built has caught up, and puts it in its place.
    async fn swap_when_ready(self: Arc<Self>, number: u64) {
        let mut delay = self.options.first_delay;
        loop {
            // Nothing to watch: it was given up.
            let Some(mut status) = self.building_status() else { return };
            let close = |status: &ProcessorStatus| {
                let left = self.hints.latest().get().saturating_sub(status.position.get());
                is_over(status) || left <= CLOSE && status.state == ProcessorState::Running
            };
            match status.wait_for(close).await {
                Ok(status) if is_over(&status) => return,
                Ok(_) => {}
                Err(_) => return,
            }
            let turn = self.turn.lock().await;
            match self.swap(number).await {
                Ok(true) => return,
                Ok(false) => {}
                Err(error) => {
                    let note = format!("generation {number} is built but not in its place yet: {error}");
                    tracing::warn!(processor = self.name, note);
                    self.running().note = Some(note);
                }
            }
            drop(turn);
            tokio::time::sleep(delay).await;
            delay = (delay * 2).min(self.options.longest_delay);
        }
    }

    fn building_status(&self) -> Option<tokio::sync::watch::Receiver<ProcessorStatus>> {
        Some(self.running().building.as_ref()?.handle.watch())
    }

    /// Holds up the one at work, so that readers never go back in time, and swaps once the other is as far. `false`
    /// when it did not get there in time.
    async fn swap(self: &Arc<Self>, number: u64) -> Result<bool, ProcessorsError> {
        if self.steered_by(number).await?.is_some() {
            return Ok(false);
        }
        let floor = self.hold_up().await;
        let reached = match self.building_status() {
            Some(mut status) => {
                let there = status.wait_for(|status| status.position >= floor);
                matches!(tokio::time::timeout(HELD_UP, there).await, Ok(Ok(_)))
            }
            // It was given up meanwhile: nothing to wait for, and the one at work goes on.
            None => true,
        };
        let swapped = if reached { self.put_in_place(number).await.map(|()| true) } else { Ok(false) };
        let running = self.running();
        if !running.record.paused {
            running.at_work.as_ref().inspect(|handle| handle.resume());
        }
        drop(running);
        self.changed();
        swapped
    }

    /// Pauses the one at work and answers with where it stands, or with the head if it does not run.
    async fn hold_up(&self) -> Position {
        let watched = {
            let running = self.running();
            running.at_work.as_ref().inspect(|handle| handle.pause());
            running.at_work.as_ref().map(crate::ProcessorHandle::watch)
        };
        if let Some(mut watched) = watched {
            let quiet = watched.wait_for(|status| status.state != ProcessorState::Running);
            let _ = tokio::time::timeout(HELD_UP, quiet).await;
        }
        let status = self.status();
        if status.state == ProcessorState::Paused {
            return status.position;
        }
        // What another process handles cannot be held up from here; it is at the head at most.
        self.ports.store.head().await.map_or(status.head, |head| head.position.max(status.head))
    }

    /// Lets queries see the generation that was built, in one transaction with the record of it.
    async fn put_in_place(self: &Arc<Self>, number: u64) -> Result<(), ProcessorsError> {
        let (old, record) = self
            .records()
            .change(|record| {
                let Some(built) = record.building.take_if(|built| built.number == number) else {
                    return Ok((None, Vec::new()));
                };
                let hidden = record.at_work.replace(built.clone());
                let seen = hidden.iter().flat_map(|hidden| &hidden.tables);
                let statements = generation::show(seen, &built.tables, built.number);
                let old = std::mem::replace(&mut record.before, hidden);
                record.held = false;
                Ok((old, statements))
            })
            .await?;
        if record.number() != number {
            // Another process has given it up: what is recorded holds from the next look at it.
            tracing::info!(
                processor = self.name,
                generation = number,
                "a rebuilt read model was given up elsewhere"
            );
            return Ok(());
        }
        let replaced = {
            let mut running = self.running();
            running.record = record;
            (running.note, running.idle) = (None, None);
            // Dropping what watches the build would end this very task; it is done when this is.
            let built = running.building.take().map(|building| building.handle);
            std::mem::replace(&mut running.at_work, built)
        };
        self.changed();
        tracing::info!(processor = self.name, generation = number, "a rebuilt read model is in its place");
        if let Some(replaced) = replaced {
            replaced.stop().await;
        }
        self.forget(old).await;
        Ok(())
    }
}

fn is_over(status: &ProcessorStatus) -> bool {
    matches!(status.state, ProcessorState::Stopped { .. })
}
