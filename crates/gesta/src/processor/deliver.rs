//! Gives events to the handler until they are handled, left out, or given up.

use std::{borrow::Cow, panic::AssertUnwindSafe, slice};

use futures_util::FutureExt;
use gesta_core::{Checkpoint, HandlerError, Position, RecordedEvent, Saved, Timestamp, Turn};

use super::{
    OnFailure, ProcessorState, backoff,
    run::{Done, Loop},
    tally::{Standing, Tally},
};
use crate::{lease::Lost, planted};

/// Why some events are neither handled nor left out.
pub(super) enum Undone {
    /// They cannot be handled, because of one of them.
    Failed(Failure),
    /// No event can be handled, so none may be left out.
    Unusable(String),
    /// Another owner has the checkpoint.
    TakenOver(String),
    /// They may be handled or not, and only another claim can tell.
    Unclear(String),
    /// The loop is to stop; nothing of them counts as handled.
    Stopping,
}

impl Undone {
    /// What follows for the claim.
    pub(super) fn ends(self) -> Result<Done, Lost> {
        match self {
            Self::Failed(Failure { reason, .. }) | Self::Unusable(reason) => Ok(Done::Failed(reason)),
            Self::TakenOver(reason) | Self::Unclear(reason) => Err(Lost::Given(reason)),
            Self::Stopping => Ok(Done::Told),
        }
    }
}

/// Why events cannot be handled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Failure {
    pub(super) reason: String,
    pub(super) attempts: u32,
    pub(super) first_at: Timestamp,
    pub(super) last_at: Timestamp,
    /// Whether it is one of the events that is at fault: else what failed now may pass, or be done already.
    pub(super) permanent: bool,
}

impl Failure {
    /// One attempt that failed for now.
    pub(super) fn for_now(reason: String, at: Timestamp) -> Self {
        Self { reason, attempts: 1, first_at: at, last_at: at, permanent: false }
    }

    /// The same as the end of all attempts.
    fn for_good(self) -> Self {
        let reason = match self.permanent {
            true => self.reason,
            false => format!("{} attempts failed, the last one: {}", self.attempts, self.reason),
        };
        Self { reason, permanent: true, ..self }
    }
}

/// Events on their way to the handler, and what the checkpoint is once they are handled.
pub(super) struct Work<'a> {
    pub(super) events: &'a [RecordedEvent],
    pub(super) position: Position,
    pub(super) tally: Tally,
    /// Whether it must not be tried again under the same claim.
    pub(super) once: bool,
}

impl Loop {
    /// Gives a batch that reaches up to `position` to the handler, as often as needed.
    pub(super) async fn deliver(
        &self,
        events: &[RecordedEvent],
        position: Position,
        standing: &mut Standing,
    ) -> Result<(), Undone> {
        let free = self.free(events, standing);
        if free.is_empty() {
            return Ok(());
        }
        // One that is to be given up is not tried before in the company of others: that might do it after all.
        if free.len() > 1 && self.strikes.hit(&free, self.options().attempts) {
            return self.one_by_one(&free, position, standing).await;
        }
        match self.give(&free, position, standing).await {
            Err(Undone::Failed(failure)) if free.len() > 1 && (failure.permanent || self.skips()) => {
                self.one_by_one(&free, position, standing).await
            }
            Err(Undone::Failed(failure)) => self.leave_out(&free, failure, standing).await,
            done => done,
        }
    }

    /// Gives events one by one, so that the checkpoint comes to stand right before the one that fails.
    async fn one_by_one(
        &self,
        events: &[RecordedEvent],
        position: Position,
        standing: &mut Standing,
    ) -> Result<(), Undone> {
        for (at, event) in events.iter().enumerate() {
            let reached = if at + 1 == events.len() { position } else { event.position };
            let one = slice::from_ref(event);
            // One before it may have been left out just now.
            if !self.free(one, standing).is_empty() {
                match self.give(one, reached, standing).await {
                    Err(Undone::Failed(failure)) => self.leave_out(one, failure, standing).await?,
                    done => done?,
                }
            }
            standing.handled = reached;
        }
        Ok(())
    }

    /// The events that do not wait behind a dead letter.
    fn free<'a>(&self, events: &'a [RecordedEvent], standing: &Standing) -> Cow<'a, [RecordedEvent]> {
        let held =
            |event: &RecordedEvent| standing.letters.hold(event) && !planted::armed("dead_letter_overtaken");
        let count = events.iter().filter(|event| held(event)).count();
        if count == 0 {
            return Cow::Borrowed(events);
        }
        self.report(|status| status.skipped += count as u64);
        Cow::Owned(events.iter().filter(|event| !held(event)).cloned().collect())
    }

    async fn give(
        &self,
        events: &[RecordedEvent],
        position: Position,
        standing: &mut Standing,
    ) -> Result<(), Undone> {
        if let Some(failure) = self.struck_out(events) {
            return Err(Undone::Failed(failure));
        }
        let tally = standing.tally.with(events, self.now());
        self.attempt(Work { events, position, tally, once: false }, standing).await
    }

    /// Calls the handler until it succeeds or there is no point in going on.
    pub(super) async fn attempt(&self, work: Work<'_>, standing: &mut Standing) -> Result<(), Undone> {
        let Work { events, position, tally, once } = work;
        let checkpoint = Checkpoint { position, state: tally.to_bytes() };
        let turn = Turn { key: self.key().clone(), epoch: standing.epoch, after: standing.saved, checkpoint };
        let mut delays = backoff::delays(self.options());
        let (mut attempts, mut first_at) = (0, None);
        loop {
            let error = match self.call(events, &turn).await {
                None => return Err(Undone::Stopping),
                Some(Ok(saved)) => {
                    self.is_handled(events, position, saved, standing);
                    standing.tally = tally;
                    return Ok(());
                }
                Some(Err(HandlerError::TakenOver(reason))) => return Err(Undone::TakenOver(reason)),
                Some(Err(HandlerError::Transient(reason))) if once => return Err(Undone::Unclear(reason)),
                Some(Err(error)) => error,
            };
            let reason = error.to_string();
            self.failed(&reason);
            attempts += 1;
            let last_at = self.now();
            let first_at = *first_at.get_or_insert(last_at);
            let failure = |reason, permanent| {
                Err(Undone::Failed(Failure { reason, attempts, first_at, last_at, permanent }))
            };
            match error {
                HandlerError::Transient(_) => {}
                HandlerError::Unusable(reason) => return Err(Undone::Unusable(reason)),
                _ => return failure(reason, true),
            }
            if self.options().attempts.is_some_and(|most| attempts >= most) {
                return failure(reason, false);
            }
            let delay = delays.next().unwrap_or(self.options().longest_delay);
            self.report(|status| {
                status.state = ProcessorState::Retrying { attempt: attempts, reason: reason.clone(), delay };
            });
            if self.stops_within(delay).await {
                return Err(Undone::Stopping);
            }
        }
    }

    fn is_handled(
        &self,
        events: &[RecordedEvent],
        position: Position,
        saved: Saved,
        standing: &mut Standing,
    ) {
        if saved == Saved::Yes {
            standing.saved = position;
        }
        self.report(|status| {
            status.state = ProcessorState::Running;
            status.handled += events.len() as u64;
        });
    }

    /// Calls the handler once; `None` when a stop did not want to wait for it any longer. A panic is a permanent failure.
    async fn call(&self, events: &[RecordedEvent], turn: &Turn) -> Option<Result<Saved, HandlerError>> {
        let call = AssertUnwindSafe(self.handler().handle_and_save(events, turn)).catch_unwind();
        tokio::select! {
            biased;
            done = call => Some(done.unwrap_or_else(|panic| Err(HandlerError::Permanent(said(&*panic))))),
            () = self.runs_out_of_grace() => None,
        }
    }

    fn skips(&self) -> bool {
        self.options().on_failure == OnFailure::Skip
    }

    /// Why the one event is given up, if it failed so often under earlier claims.
    pub(super) fn struck_out(&self, events: &[RecordedEvent]) -> Option<Failure> {
        let [event] = events else { return None };
        self.strikes.out(event.id, self.options().attempts).map(Failure::for_good)
    }

    /// Parks the one event that failed, if that was declared: at once where it is at fault, else under another claim.
    pub(super) async fn leave_out(
        &self,
        events: &[RecordedEvent],
        failure: Failure,
        standing: &mut Standing,
    ) -> Result<(), Undone> {
        match events {
            [event] if self.skips() && failure.permanent => self.park(event, failure, standing).await,
            [event] if self.skips() => {
                let reason = failure.reason.clone();
                self.strikes.add(event.id, failure);
                Err(Undone::Unclear(reason))
            }
            _ => Err(Undone::Failed(failure.for_good())),
        }
    }
}

/// What a panic said.
fn said(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
    format!("the handler panicked: {}", text.unwrap_or("without a message"))
}
