//! What processors left out: looked at, replayed, discarded.

use std::collections::BTreeMap;

use futures_util::TryStreamExt;
use gesta_core::{
    AppendError, CheckpointKey, Position, ReadError, ReadStream, RecordedEvent, StreamId, Tenant, Timestamp,
    Version, limits::BATCH_EVENTS,
};
use uuid::Uuid;

use super::{Processors, ProcessorsError, entry::Entry};
use crate::{
    Selection,
    processor::{
        Tally,
        letters::{Letter, LetterBox, Letters, ParkedEvent, Verdict},
    },
};

/// At most so many are listed.
const LISTED: usize = 1_000;
/// At most so many held events are counted for each.
const COUNTED: usize = 1_000;
/// How often a decision is tried against others about the same processor.
const TRIES: usize = 5;

/// An event that a processor left out after its last attempt, and why. Its content is in the log, at its place.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct DeadLetter {
    /// Whose event.
    pub tenant: Tenant,
    /// Its stream: later events of it are held.
    pub stream: StreamId,
    /// Its place in the stream.
    pub version: Version,
    /// Its place in the log.
    pub position: Position,
    /// The event.
    pub event_id: Uuid,
    /// Its type.
    pub event_type: String,
    /// What the handler said last.
    pub reason: String,
    /// How often it was tried, replays included.
    pub attempts: u32,
    /// When it failed for the first time.
    pub first_failed_at: Timestamp,
    /// When it failed for the last time.
    pub last_failed_at: Timestamp,
    /// How many later events of its stream wait behind it; 1,000 stands for more, too.
    pub held: u64,
    /// Whether somebody has decided about it, and the processor has not come to it yet.
    pub decided: bool,
}

/// How many dead letters a processor has.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct DeadLetterStatistics {
    /// All that are open.
    pub count: u64,
    /// By the type of the event.
    pub by_type: BTreeMap<String, DeadLettersOfType>,
}

/// How many dead letters of one type a processor has.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct DeadLettersOfType {
    /// That are open.
    pub count: u64,
    /// How often all of them were tried.
    pub attempts: u64,
    /// When the first of them failed for the first time.
    pub first_failed_at: Timestamp,
    /// When the last of them failed for the last time.
    pub last_failed_at: Timestamp,
}

impl Processors {
    /// What a processor left out and nobody has settled yet, oldest first; at most 1,000. Of a read model it is what the
    /// generation at work left out.
    #[doc(alias = "dead letter queue")]
    pub async fn dead_letters(&self, name: &str) -> Result<Vec<DeadLetter>, ProcessorsError> {
        self.find(name)?.dead_letters().await
    }

    /// How many dead letters a processor has, by type.
    pub async fn dead_letter_statistics(&self, name: &str) -> Result<DeadLetterStatistics, ProcessorsError> {
        let letters = self.find(name)?.letters().await?.letters;
        let mut statistics = DeadLetterStatistics { count: letters.len() as u64, by_type: BTreeMap::new() };
        for Letter { parked, .. } in letters.oldest_first() {
            let of_type = statistics.by_type.entry(parked.event_type.clone());
            of_type.or_insert_with(|| DeadLettersOfType::none(parked)).add(parked);
        }
        Ok(statistics)
    }

    /// Has dead letters handled again, each followed by what is held behind it, in order; answers how many. The decision
    /// is recorded, and carried out by whichever process runs the processor, as soon as it runs. One that fails again is a
    /// dead letter again.
    pub async fn replay_dead_letters(
        &self,
        name: &str,
        selection: Selection,
    ) -> Result<usize, ProcessorsError> {
        self.find(name)?.decide(&selection, &Verdict::Replay).await
    }

    /// Gives dead letters up: they count as handled, and what is held behind them is handled; answers how many. The
    /// decision and its reason are recorded for good.
    pub async fn discard_dead_letters(
        &self,
        name: &str,
        selection: Selection,
        reason: Option<String>,
    ) -> Result<usize, ProcessorsError> {
        self.find(name)?.decide(&selection, &Verdict::Discard { reason }).await
    }

    /// The event of a dead letter, with its data: for whoever may read its stream.
    pub async fn event_of(&self, letter: &DeadLetter) -> Result<Option<RecordedEvent>, ProcessorsError> {
        let before = Version::new(letter.version.get().saturating_sub(1));
        let read = ReadStream::of(letter.tenant.clone(), letter.stream.clone()).after(before).limit(1);
        let found = self.ports.store.read_stream(read).try_next().await?;
        Ok(found.filter(|event| event.id == letter.event_id))
    }
}

/// What was recorded, and how far the processor is.
struct Known {
    letter_box: LetterBox,
    letters: Letters,
    position: Position,
}

impl Entry {
    fn letter_box(&self, generation: u64) -> Result<LetterBox, ProcessorsError> {
        let CheckpointKey { tenant, name } = self.checkpoint_of(generation);
        LetterBox::of(tenant, &name).map_err(|error| ProcessorsError::Illegal { reason: error.to_string() })
    }

    async fn letters(&self) -> Result<Known, ProcessorsError> {
        // As it is recorded: another process may run it, and have replaced the generation.
        let generation = self.records().load().await?.number();
        let letter_box = self.letter_box(generation)?;
        let checkpoint = self.checkpoints().load(&self.checkpoint_of(generation)).await?;
        let mut letters = Letters::new(&Tally::from_bytes(&checkpoint.state));
        letter_box.read(&*self.ports.store, &mut letters, checkpoint.position).await?;
        Ok(Known { letter_box, letters, position: checkpoint.position })
    }

    async fn dead_letters(&self) -> Result<Vec<DeadLetter>, ProcessorsError> {
        let known = self.letters().await?;
        let mut listed = Vec::new();
        for letter in known.letters.oldest_first().into_iter().take(LISTED) {
            let held = self.count_held(&letter.parked, known.position).await?;
            listed.push(shown(letter, held));
        }
        Ok(listed)
    }

    async fn count_held(&self, parked: &ParkedEvent, position: Position) -> Result<u64, ProcessorsError> {
        let filter = self.ports.store.understood(self.work.filter());
        let read = ReadStream::of(parked.tenant.clone(), parked.stream.clone());
        let mut later = self.ports.store.read_stream(read.after(parked.version).limit(COUNTED));
        let mut held = 0;
        while let Some(event) = later.try_next().await? {
            if event.position > position {
                break;
            }
            held += u64::from(filter.accepts(&event));
        }
        Ok(held)
    }

    async fn decide(&self, selection: &Selection, verdict: &Verdict) -> Result<usize, ProcessorsError> {
        let (mut decided, mut overtaken) = (0, 0);
        while overtaken < TRIES {
            let Known { letter_box, letters, .. } = self.letters().await?;
            let open = letters.oldest_first().into_iter().filter(|letter| letter.decision.is_none());
            let meant = open.map(|letter| &letter.parked).filter(|parked| selection.holds(parked.event_id));
            let some: Vec<_> = meant.take(BATCH_EVENTS).collect();
            if some.is_empty() {
                return Ok(decided);
            }
            match letter_box.decide(&*self.ports.store, &letters, &some, verdict).await {
                Ok(()) if some.len() < BATCH_EVENTS => return Ok(decided + some.len()),
                Ok(()) => decided += some.len(),
                // Something was recorded meanwhile: see what is open now.
                Err(
                    AppendError::Conflict(_) | AppendError::IdTaken { .. } | AppendError::PartlyKnown { .. },
                ) => overtaken += 1,
                Err(error) => return Err(ProcessorsError::Unavailable { reason: error.to_string() }),
            }
        }
        let reason = format!("others decide about the dead letters of {} right now: try again", self.name);
        Err(ProcessorsError::Unavailable { reason })
    }

    /// Forgets what was left out, when everything comes again.
    pub(super) async fn forget_dead_letters(&self) -> Result<(), ProcessorsError> {
        let Known { letter_box, letters, .. } = self.letters().await?;
        if letters.len() == 0 {
            return Ok(());
        }
        let reset = letter_box.reset(&*self.ports.store).await;
        reset.map_err(|error| ProcessorsError::Unavailable { reason: error.to_string() })
    }
}

impl DeadLettersOfType {
    fn none(parked: &ParkedEvent) -> Self {
        let ParkedEvent { first_failed_at, last_failed_at, .. } = *parked;
        Self { count: 0, attempts: 0, first_failed_at, last_failed_at }
    }

    fn add(&mut self, parked: &ParkedEvent) {
        self.count += 1;
        self.attempts += u64::from(parked.attempts);
        self.first_failed_at = self.first_failed_at.min(parked.first_failed_at);
        self.last_failed_at = self.last_failed_at.max(parked.last_failed_at);
    }
}

fn shown(letter: &Letter, held: u64) -> DeadLetter {
    let parked = letter.parked.clone();
    DeadLetter {
        tenant: parked.tenant,
        stream: parked.stream,
        version: parked.version,
        position: parked.position,
        event_id: parked.event_id,
        event_type: parked.event_type,
        reason: parked.reason,
        attempts: parked.attempts,
        first_failed_at: parked.first_failed_at,
        last_failed_at: parked.last_failed_at,
        held,
        decided: letter.decision.is_some(),
    }
}

impl From<ReadError> for ProcessorsError {
    fn from(error: ReadError) -> Self {
        Self::Unavailable { reason: error.to_string() }
    }
}
