//! Dead letters: an event is left out, and its stream held behind it, until somebody decides.

use futures_util::TryStreamExt;
use gesta_core::{ReadError, ReadStream, RecordedEvent, Version};

use super::{
    backoff,
    deliver::{Failure, Undone, Work},
    handle::Wish,
    letters::{Decision, Letters, ParkedEvent, Place, cut},
    run::{Done, Loop},
    tally::{Releasing, Standing, Tally},
};
use crate::lease::{Lease, Lost};

/// So many streams are held at most; each costs some hundred bytes of memory, up to a thousand more for its reason.
const MOST: usize = 10_000;
/// So many events of a held stream are given between two saves.
const PAGE: usize = 100;

/// What releasing a part of a held stream came to.
enum Released {
    /// There is more.
    Some,
    /// Nothing waits any more, or again behind another letter.
    All,
}

impl Loop {
    /// Records that an event is left out, before the checkpoint passes it.
    pub(super) async fn park(
        &self,
        event: &RecordedEvent,
        failure: Failure,
        standing: &mut Standing,
    ) -> Result<(), Undone> {
        let Some(letter_box) = self.letter_box() else {
            let name = self.handler().name();
            return Err(Undone::Unusable(format!(
                "the handler's name {name:?} cannot be part of a stream's, so it can leave nothing out: {}",
                failure.reason
            )));
        };
        if standing.letters.len() >= MOST {
            return Err(Undone::Unusable(format!(
                "{MOST} streams are held behind dead letters: mend the cause, then replay or discard them; the last one: {}",
                failure.reason
            )));
        }
        let parked = parked(event, failure, &standing.letters);
        for delay in backoff::delays(self.options()) {
            match letter_box.park(&**self.store(), &mut standing.letters, &parked).await {
                Ok(()) => break,
                Err(error) => self.failed(&format!("a dead letter was not recorded: {error}")),
            }
            if self.stops_within(delay).await {
                return Err(Undone::Stopping);
            }
        }
        // No checkpoint passes the event that does not know of the letter.
        if !self.catch_up(standing).await {
            return Err(Undone::Stopping);
        }
        let (processor, reason) = (self.handler().name(), &parked.reason);
        tracing::error!(processor, position = %event.position, reason, "event left out as a dead letter");
        self.report(|status| {
            status.skipped += 1;
            status.dead_letters = standing.letters.len() as u64;
        });
        Ok(())
    }

    /// Reads which dead letters are open, and what was decided since; patient with a log that cannot be read. `false` when
    /// it is told to stop before.
    pub(super) async fn catch_up(&self, standing: &mut Standing) -> bool {
        let Some(letter_box) = self.letter_box() else { return true };
        let Standing { letters, tally, handled, .. } = standing;
        for delay in backoff::delays(self.options()) {
            match letter_box.read(&**self.store(), letters, *handled).await {
                // Where no such stream can be, nothing was recorded.
                Ok(()) | Err(ReadError::Unsupported { .. }) => {
                    letters.note(tally);
                    return true;
                }
                Err(error) => self.failed(&error.to_string()),
            }
            if self.stops_within(delay).await {
                return false;
            }
        }
        false
    }

    /// Carries out what was decided about dead letters, oldest decision first. Ends early when it is told to pause.
    pub(super) async fn obey(
        &self,
        lease: &mut Lease,
        standing: &mut Standing,
    ) -> Result<Option<Done>, Lost> {
        if standing.letters.len() == 0 {
            return Ok(None);
        }
        if !lease.during(self.catch_up(standing)).await? {
            return Ok(Some(Done::Told));
        }
        while self.wishes() == Wish::Run
            && let Some((place, letter, decision)) = standing.letters.next_decision(standing.handled)
        {
            let (place, first) = (place.clone(), letter.parked.version);
            // A stream is released at the place where everything else stands, which has to be saved for that.
            if standing.saved < standing.handled && !self.save(lease, standing).await? {
                return Ok(Some(Done::Told));
            }
            let first = if decision.discard { first.next() } else { first };
            match lease.during(self.release((&place, first), decision, standing)).await? {
                Ok(Released::Some) => {}
                Ok(Released::All) => {
                    standing.letters.carry_out(&place, decision);
                    standing.letters.note(&mut standing.tally);
                    standing.tally.releasing = None;
                }
                Err(undone) => return undone.ends().map(Some),
            }
            if !self.save(lease, standing).await? {
                return Ok(Some(Done::Told));
            }
        }
        self.report(|status| status.dead_letters = standing.letters.len() as u64);
        Ok(None)
    }

    /// Gives the next events of a held stream to the handler, as far as the log was handled.
    async fn release(
        &self,
        (place, first): (&Place, Version),
        decision: Decision,
        standing: &mut Standing,
    ) -> Result<Released, Undone> {
        let begun = standing.tally.releasing.as_ref().filter(|begun| begun.decision == decision.at);
        let next = begun.map_or(first, |begun| begun.next);
        let events = match self.held(place, next, standing).await {
            Ok(events) => events,
            Err(error) => {
                self.failed(&error.to_string());
                let stops =
                    self.stops_within(self.options().longest_delay.min(crate::subscription::POLL)).await;
                return if stops { Err(Undone::Stopping) } else { Ok(Released::Some) };
            }
        };
        if events.is_empty() {
            return Ok(Released::All);
        }
        let filter = self.store().understood(self.filter().clone());
        for event in &events {
            let (tenant, stream) = place.clone();
            let next = event.version.next();
            let releasing = Some(Releasing { tenant, stream, decision: decision.at, next });
            if !filter.accepts(event) {
                standing.tally.releasing = releasing;
                continue;
            }
            let one = std::slice::from_ref(event);
            let tally = Tally { releasing, ..standing.tally.with(one, self.now()) };
            let delivered = match self.struck_out(one) {
                Some(failure) => Err(Undone::Failed(failure)),
                // The position stays while a stream is released, so a commit whose answer was lost would be made again: a
                // new claim shuts it out, and reads how far it came.
                None => {
                    let work = Work { events: one, position: standing.handled, tally, once: true };
                    self.attempt(work, standing).await
                }
            };
            match delivered {
                Err(Undone::Failed(failure)) => {
                    self.leave_out(one, failure, standing).await?;
                    return Ok(Released::All);
                }
                Err(Undone::Unclear(reason)) => {
                    self.strikes.add(event.id, Failure::for_now(reason.clone(), self.now()));
                    return Err(Undone::Unclear(reason));
                }
                done => done?,
            }
        }
        Ok(Released::Some)
    }

    /// The next events of a held stream that are not behind what was handled.
    async fn held(
        &self,
        (tenant, stream): &Place,
        next: Version,
        standing: &Standing,
    ) -> Result<Vec<RecordedEvent>, ReadError> {
        let before = Version::new(next.get() - 1);
        let read = ReadStream::of(tenant.clone(), stream.clone()).after(before).limit(PAGE);
        let mut found = self.store().read_stream(read);
        let mut events = Vec::new();
        while let Some(event) = found.try_next().await? {
            if event.position > standing.handled {
                break;
            }
            events.push(event);
        }
        Ok(events)
    }
}

/// The record of an event that is left out; one that failed earlier keeps its beginnings.
fn parked(event: &RecordedEvent, failure: Failure, letters: &Letters) -> ParkedEvent {
    let place = (event.tenant.clone(), event.stream.clone());
    let earlier = letters.get(&place).map(|letter| &letter.parked);
    let earlier = earlier.filter(|earlier| earlier.event_id == event.id);
    let Failure { reason, attempts, first_at, last_at, .. } = failure;
    ParkedEvent {
        tenant: place.0,
        stream: place.1,
        version: event.version,
        position: event.position,
        event_id: event.id,
        event_type: event.event_type.to_string(),
        reason: cut(&reason),
        attempts: earlier.map_or(0, |earlier| earlier.attempts) + attempts,
        first_failed_at: earlier.map_or(first_at, |earlier| earlier.first_failed_at),
        last_failed_at: last_at,
    }
}
