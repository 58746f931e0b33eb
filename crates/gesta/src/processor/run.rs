//! The loop itself: claim, read, handle, save.

use std::{sync::Arc, time::Duration};

use gesta_core::{
    Checkpoint, CheckpointError, CheckpointKey, Epoch, EventHandler, EventStore, Filter, Position, Timestamp,
};
use tokio::{sync::watch, time::Instant};

use super::{
    Processor, ProcessorOptions, ProcessorState, ProcessorStatus, backoff,
    deliver::Undone,
    handle::Wish,
    letters::{LetterBox, Letters},
    strikes::Strikes,
    tally::{Standing, Tally},
};
use crate::{
    Batch, Start, Subscription,
    lease::{Bid, Lease, Lost},
    planted,
    subscription::BATCH_BYTES,
};

/// Progress without events is saved after so many positions, not each time.
const PROGRESS: u64 = 10_000;

/// A processor that runs.
pub(super) struct Loop {
    processor: Processor,
    filter: Filter,
    key: CheckpointKey,
    /// Where it records what it leaves out; `None` if no stream can be called after it.
    letter_box: Option<LetterBox>,
    pub(super) strikes: Strikes,
    wish: watch::Receiver<Wish>,
    reports: watch::Sender<ProcessorStatus>,
}

/// Whether there was a pause.
#[derive(PartialEq, Eq)]
enum Waited {
    Yes,
    No,
}

/// Why a claim is given up.
pub(super) enum Done {
    /// It was told to stop.
    Told,
    /// It cannot go on.
    Failed(String),
    /// Another owner has the checkpoint.
    Lost(Lost),
}

impl Loop {
    pub(super) fn new(
        processor: Processor,
        wish: watch::Receiver<Wish>,
        reports: watch::Sender<ProcessorStatus>,
    ) -> Self {
        let filter = processor.handler.filter();
        let tenant = filter.tenant.clone().unwrap_or_default();
        let name = processor.handler.name();
        let key = CheckpointKey::new(tenant.clone(), name);
        let letter_box = match processor.is_replay {
            true => LetterBox::of_replay(tenant, name),
            false => LetterBox::of(tenant, name),
        };
        let (letter_box, strikes) = (letter_box.ok(), Strikes::default());
        Self { letter_box, strikes, processor, filter, key, wish, reports }
    }

    pub(super) async fn run(self) {
        let (mut delays, mut claimed) = (backoff::delays(self.options()), None);
        let reason = loop {
            let Some((mut lease, checkpoint)) = self.claim().await else { break None };
            if claimed.as_ref() != Some(&checkpoint) {
                delays = backoff::delays(self.options());
                claimed = Some(checkpoint.clone());
            }
            self.report(|status| status.epoch = lease.epoch);
            let done = Box::pin(self.go_on(&mut lease, checkpoint)).await;
            lease.release().await;
            self.report(|status| status.epoch = Epoch(0));
            match done {
                Done::Told => break None,
                Done::Failed(reason) => break Some(reason),
                Done::Lost(lost) => {
                    let reason = lost.to_string();
                    self.failed(&reason);
                    self.report(|status| status.state = ProcessorState::Waiting { reason });
                    // Two that take the checkpoint from each other must not do so as fast as they can, unless they get on.
                    let delay = delays.next().unwrap_or(self.options().longest_delay);
                    if self.stops_within(delay).await {
                        break None;
                    }
                }
            }
        };
        if let Some(reason) = &reason {
            tracing::error!(processor = self.handler().name(), reason, "processor stopped");
        }
        self.report(|status| status.state = ProcessorState::Stopped { reason });
    }

    /// Waits until the checkpoint is its own; `None` when it is told to stop.
    async fn claim(&self) -> Option<(Lease, Checkpoint)> {
        let mut delays = backoff::delays(self.options());
        loop {
            let Processor { checkpoints, gate, owner, options, .. } = &self.processor;
            let bid = Bid {
                checkpoints: checkpoints.clone(),
                gate: gate.clone(),
                key: self.key.clone(),
                owner: owner.clone(),
                ttl: options.lease,
            };
            let (error, delay) = match bid.claim().await {
                Ok(claimed) => return Some(claimed),
                Err(error @ CheckpointError::Owned { remaining, .. }) => {
                    (error, remaining.min(options.lease / 3))
                }
                Err(error) => (error, delays.next().unwrap_or(options.longest_delay)),
            };
            let reason = error.to_string();
            self.report(|status| status.state = ProcessorState::Waiting { reason });
            // A claim that is about to end is not asked for in a busy loop.
            if self.stops_within(delay.max(Duration::from_millis(10))).await {
                return None;
            }
        }
    }

    async fn go_on(&self, lease: &mut Lease, checkpoint: Checkpoint) -> Done {
        let done = self.process(lease, checkpoint).await;
        done.unwrap_or_else(Done::Lost)
    }

    async fn process(&self, lease: &mut Lease, checkpoint: Checkpoint) -> Result<Done, Lost> {
        let Some(mut standing) = self.begin(lease, checkpoint).await? else { return Ok(Done::Told) };
        let mut subscription =
            Subscription::new(self.processor.store.clone(), self.filter.clone()).after(standing.saved);
        if let Some(until) = self.options().until {
            subscription = subscription.up_to(until);
        }
        while self.options().until.is_none_or(|until| standing.handled < until) {
            if let Some(done) = self.obey(lease, &mut standing).await? {
                return Ok(done);
            }
            let next = lease.during(self.next(&mut subscription, standing.handled)).await?;
            let Some(Batch { events, position }) = next else { break };
            if !events.is_empty() {
                let delivered = self.deliver(&events, position, &mut standing);
                if let Err(undone) = lease.during(delivered).await? {
                    if !matches!(undone, Undone::Stopping | Undone::TakenOver(_)) {
                        // What came before the one that failed is handled.
                        if standing.handled > standing.saved {
                            self.save(lease, &mut standing).await?;
                        }
                        self.report_progress(&standing, None).await;
                    }
                    return undone.ends();
                }
            }
            standing.handled = position;
            let due = !events.is_empty() || position.get() - standing.saved.get() >= PROGRESS;
            if due && standing.saved < position && !self.save(lease, &mut standing).await? {
                return Ok(Done::Told);
            }
            let age = events.last().map(|event| self.now().since(event.recorded_at));
            self.report_progress(&standing, age).await;
        }
        if standing.handled > standing.saved {
            self.save(lease, &mut standing).await?;
        }
        Ok(Done::Told)
    }

    /// Where to begin; it is saved when it had to be decided. `None` when it is told to stop.
    async fn begin(&self, lease: &mut Lease, checkpoint: Checkpoint) -> Result<Option<Standing>, Lost> {
        self.report(|status| status.state = ProcessorState::Running);
        let begun = !checkpoint.state.is_empty();
        let position = match self.options().start {
            _ if begun => checkpoint.position,
            Start::Beginning => Position::START,
            Start::After(position) => position,
            Start::Head => loop {
                match self.processor.store.head().await {
                    Ok(head) => break head.position,
                    Err(error) => self.failed(&error.to_string()),
                }
                if lease.during(self.stops_within(self.options().first_delay)).await? {
                    return Ok(None);
                }
            },
        };
        let tally = Tally::from_bytes(&checkpoint.state);
        let letters = Letters::new(&tally);
        let mut standing =
            Standing { epoch: lease.epoch, saved: position, handled: position, tally, letters };
        if !lease.during(self.catch_up(&mut standing)).await? {
            return Ok(None);
        }
        self.report(|status| status.dead_letters = standing.letters.len() as u64);
        if !begun && !self.save(lease, &mut standing).await? {
            return Ok(None);
        }
        self.report_progress(&standing, None).await;
        Ok(Some(standing))
    }

    /// The next batch, filled up for as long as a partial one may wait; `None` when it is told to stop.
    async fn next(&self, subscription: &mut Subscription, handled: Position) -> Option<Batch> {
        let mut delays = backoff::delays(self.options());
        loop {
            if self.may_run().await? == Waited::Yes {
                // Something may have been decided meanwhile.
                return Some(Batch { events: Vec::new(), position: handled });
            }
            // What was gathered when a pause came is read again.
            subscription.seek(handled);
            let error = tokio::select! {
                biased;
                () = self.is_not_to_run() => continue,
                batch = self.gather(subscription) => match batch {
                    Ok(batch) => return Some(batch),
                    Err(error) => error,
                },
            };
            self.failed(&error.to_string());
            if self.stops_within(delays.next().unwrap_or(self.options().longest_delay)).await {
                return None;
            }
        }
    }

    async fn gather(&self, subscription: &mut Subscription) -> Result<Batch, gesta_core::ReadError> {
        let ProcessorOptions { batch: most, flush, .. } = *self.options();
        let mut batch = subscription.next_batch(most).await?;
        let deadline = Instant::now() + flush;
        let has_room = |batch: &Batch| batch.events.len() < most && batch.bytes() < BATCH_BYTES;
        while !batch.events.is_empty() && has_room(&batch) && !flush.is_zero() {
            let room = most - batch.events.len();
            match tokio::time::timeout_at(deadline, subscription.next_batch(room)).await {
                Ok(Ok(more)) => {
                    batch.events.extend(more.events);
                    batch.position = more.position;
                }
                Ok(Err(_)) | Err(_) => break,
            }
        }
        Ok(batch)
    }

    /// Saves where it stands, however long that takes; `false` when it is told to stop before.
    pub(super) async fn save(&self, lease: &mut Lease, standing: &mut Standing) -> Result<bool, Lost> {
        let handled = standing.handled;
        let position = if planted::armed("checkpoint_plus_one") { handled.next() } else { handled };
        let state = standing.tally.to_bytes();
        for delay in backoff::delays(self.options()) {
            match lease.save(Checkpoint { position, state: state.clone() }).await {
                Ok(saved) => {
                    standing.saved = handled;
                    return saved.map(|()| true);
                }
                Err(error) => self.failed(&error.to_string()),
            }
            if lease.during(self.stops_within(delay)).await? {
                return Ok(false);
            }
        }
        Ok(false)
    }

    async fn report_progress(&self, standing: &Standing, age: Option<Duration>) {
        // A head that cannot be read now is read after the next batch.
        let head = self.processor.store.head().await.map_or(standing.handled, |head| head.position);
        self.reports.send_modify(|status| {
            status.position = standing.handled;
            status.last_event = standing.tally.event;
            status.last_handled_at = standing.tally.at.map(Timestamp::from_micros);
            status.processed = standing.tally.processed;
            status.lag = age.unwrap_or(status.lag);
            status.measure(head);
        });
    }

    pub(super) fn report(&self, change: impl FnOnce(&mut ProcessorStatus)) {
        self.reports.send_modify(change);
    }

    /// Notes a failure.
    pub(super) fn failed(&self, reason: &str) {
        tracing::warn!(processor = self.handler().name(), reason, "processor failed");
        self.report(|status| {
            status.failures += 1;
            status.last_error = Some(reason.to_owned());
        });
    }

    /// Waits until it may run; `None` when it is told to stop.
    async fn may_run(&self) -> Option<Waited> {
        let mut wish = self.wish.clone();
        let mut waited = Waited::No;
        loop {
            if wish.has_changed().is_err() {
                // A holder that is gone wants nothing any more.
                return None;
            }
            let now = *wish.borrow_and_update();
            match now {
                Wish::Stop => return None,
                Wish::Run => {
                    self.report(|status| status.state = ProcessorState::Running);
                    return Some(waited);
                }
                Wish::Pause => {
                    waited = Waited::Yes;
                    self.report(|status| status.state = ProcessorState::Paused);
                }
            }
            wish.changed().await.ok()?;
        }
    }

    /// Waits until it is told to stop or pause.
    async fn is_not_to_run(&self) {
        // An error means that the holder is gone, which ends the loop before the next batch.
        let _ = self.wish.clone().wait_for(|wish| *wish != Wish::Run).await;
    }

    async fn is_to_stop(&self) {
        let _ = self.wish.clone().wait_for(|wish| *wish == Wish::Stop).await;
    }

    /// Waits for a while; whether it was told to stop meanwhile.
    pub(super) async fn stops_within(&self, delay: Duration) -> bool {
        tokio::time::timeout(delay, self.is_to_stop()).await.is_ok()
    }

    /// Ends when it was told to stop some time ago.
    pub(super) async fn runs_out_of_grace(&self) {
        self.is_to_stop().await;
        tokio::time::sleep(self.options().grace).await;
    }

    pub(super) fn options(&self) -> &ProcessorOptions {
        &self.processor.options
    }

    pub(super) fn handler(&self) -> &dyn EventHandler {
        &*self.processor.handler
    }

    pub(super) fn store(&self) -> &Arc<dyn EventStore> {
        &self.processor.store
    }

    pub(super) fn key(&self) -> &CheckpointKey {
        &self.key
    }

    pub(super) fn now(&self) -> Timestamp {
        self.processor.clock.now()
    }

    pub(super) fn filter(&self) -> &Filter {
        &self.filter
    }

    pub(super) fn letter_box(&self) -> Option<&LetterBox> {
        self.letter_box.as_ref()
    }

    /// What the holder wants now; a holder that is gone wants nothing any more.
    pub(super) fn wishes(&self) -> Wish {
        if self.wish.has_changed().is_err() { Wish::Stop } else { *self.wish.borrow() }
    }
}
