//! Gives events to the handler until they are handled, left out, or given up.

use std::panic::AssertUnwindSafe;

use futures_util::FutureExt;
use gesta_core::{Checkpoint, Epoch, HandlerError, Position, RecordedEvent, Saved, Turn};

use super::{OnFailure, ProcessorState, backoff, run::Loop, tally::Standing};

/// What became of some events.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Delivered {
    /// All are handled or left out.
    Handled,
    /// They cannot be handled, because of one of them.
    Failed(String),
    /// No event can be handled, so none may be left out.
    Unusable(String),
    /// Another owner has the checkpoint.
    TakenOver(String),
    /// The loop is to stop; nothing of them counts as handled.
    Stopping,
}

impl Loop {
    /// Gives a batch that reaches up to `position` to the handler, as often as needed.
    pub(super) async fn deliver(
        &self,
        epoch: Epoch,
        events: &[RecordedEvent],
        position: Position,
        standing: &mut Standing,
    ) -> Delivered {
        let failed = self.attempt(epoch, events, position, standing).await;
        let (Delivered::Failed(reason), OnFailure::Skip) = (&failed, self.options().on_failure) else {
            return failed;
        };
        if let [event] = events {
            return self.skip(event, reason).await;
        }
        for (at, event) in events.iter().enumerate() {
            let reached = if at + 1 == events.len() { position } else { event.position };
            let one = std::slice::from_ref(event);
            let delivered = Box::pin(self.deliver(epoch, one, reached, standing)).await;
            if delivered != Delivered::Handled {
                return delivered;
            }
        }
        Delivered::Handled
    }

    /// Calls the handler until it succeeds or there is no point in going on.
    async fn attempt(
        &self,
        epoch: Epoch,
        events: &[RecordedEvent],
        position: Position,
        standing: &mut Standing,
    ) -> Delivered {
        let mut delays = backoff::delays(self.options());
        let mut attempt = 0;
        loop {
            let tally = standing.tally.with(events, self.now());
            let checkpoint = Checkpoint { position, state: tally.to_bytes() };
            let turn = Turn { key: self.key().clone(), epoch, after: standing.saved, checkpoint };
            let reason = match self.call(events, &turn).await {
                None => return Delivered::Stopping,
                Some(Ok(saved)) => {
                    standing.tally = tally;
                    if saved == Saved::Yes {
                        standing.saved = position;
                    }
                    self.report(|status| {
                        status.state = ProcessorState::Running;
                        status.handled += events.len() as u64;
                    });
                    return Delivered::Handled;
                }
                Some(Err(HandlerError::Transient(reason))) => reason,
                Some(Err(HandlerError::TakenOver(reason))) => return Delivered::TakenOver(reason),
                Some(Err(error)) => {
                    self.failed(&error.to_string());
                    return match error {
                        HandlerError::Unusable(reason) => Delivered::Unusable(reason),
                        error => Delivered::Failed(error.to_string()),
                    };
                }
            };
            attempt += 1;
            self.failed(&reason);
            if self.options().attempts.is_some_and(|most| attempt >= most) {
                return Delivered::Failed(format!("{attempt} attempts failed, the last one: {reason}"));
            }
            let delay = delays.next().unwrap_or(self.options().longest_delay);
            self.report(|status| {
                status.state = ProcessorState::Retrying { attempt, reason: reason.clone(), delay }
            });
            if self.stops_within(delay).await {
                return Delivered::Stopping;
            }
        }
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

    async fn skip(&self, event: &RecordedEvent, reason: &str) -> Delivered {
        for delay in backoff::delays(self.options()) {
            match super::skipped::record(self.store(), self.tenant(), self.handler().name(), event, reason)
                .await
            {
                Ok(()) => break,
                Err(error) => self.failed(&format!("a skipped event was not recorded: {error}")),
            }
            if self.stops_within(delay).await {
                return Delivered::Stopping;
            }
        }
        tracing::error!(processor = self.handler().name(), position = %event.position, reason, "event skipped");
        self.report(|status| status.skipped += 1);
        Delivered::Handled
    }
}

/// What a panic said.
fn said(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
    format!("the handler panicked: {}", text.unwrap_or("without a message"))
}
