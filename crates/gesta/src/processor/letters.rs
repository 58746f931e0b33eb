//! The dead letters of a processor: what its own stream says of the events it left out.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use futures_util::TryStreamExt;
use gesta_core::{
    AppendBatch, AppendError, EventStore, ExpectedVersion, InvalidStreamId, NewEvent, Position, ReadError,
    ReadStream, RecordedEvent, StreamId, Tenant, Timestamp, Version,
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use uuid::Uuid;

use super::Tally;
use crate::{patient, unreadable::Unreadable};

const PARKED: &str = "gesta.processor.parked";
const REPLAYED: &str = "gesta.processor.replayed";
const DISCARDED: &str = "gesta.processor.discarded";
const RESET: &str = "gesta.processor.reset";

/// The namespace of the ids of these records; fixed for ever.
const NAMESPACE: Uuid = Uuid::from_u128(0x6765_7374_612e_5072_8f75_7000_0000_0002);

/// The longest text of a failure, in bytes.
const REASON: usize = 1_000;

/// The data of `gesta.processor.parked`: later events of the stream are held from here on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ParkedEvent {
    pub(crate) tenant: Tenant,
    pub(crate) stream: StreamId,
    pub(crate) version: Version,
    pub(crate) position: Position,
    pub(crate) event_id: Uuid,
    pub(crate) event_type: String,
    pub(crate) reason: String,
    pub(crate) attempts: u32,
    pub(crate) first_failed_at: Timestamp,
    pub(crate) last_failed_at: Timestamp,
}

/// The data of `gesta.processor.replayed` and `gesta.processor.discarded`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Decided {
    tenant: Tenant,
    stream: StreamId,
    version: Version,
    position: Position,
    event_id: Uuid,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

/// What is to become of a dead letter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    Replay,
    Discard { reason: Option<String> },
}

/// A decision that was recorded, at this version of the processor's stream, and is not carried out yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Decision {
    pub(crate) at: Version,
    pub(crate) discard: bool,
}

/// An event that was left out, behind which its stream is held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Letter {
    pub(crate) parked: ParkedEvent,
    pub(crate) decision: Option<Decision>,
}

/// A stream that may be held: those of several tenants may have one name.
pub(crate) type Place = (Tenant, StreamId);

/// Where the dead letters of a processor are recorded.
#[derive(Debug, Clone)]
pub(crate) struct LetterBox {
    tenant: Tenant,
    stream: StreamId,
}

/// The dead letters that are open.
///
/// An owner that was replaced may record late that it left out an event, which its successor has handled long since. Only
/// the checkpoint tells who is the owner, so it has the last word: it is saved with the version up to which the records
/// were known, and a later one about an event that the checkpoint has passed is void for ever. Whoever passed the
/// event would have known of it.
#[derive(Debug, Default)]
pub(crate) struct Letters {
    /// The version of the processor's stream up to which it was read.
    version: Version,
    /// Up to here it is settled which records are void; `None` where an earlier release saved nothing about that.
    known: Option<Version>,
    /// The records that are void. Each took an owner that was replaced while it left out an event, and they are forgotten
    /// with a reset, so there are few.
    void: BTreeSet<Version>,
    /// The ids of what was recorded under this claim, and not read yet.
    own: HashSet<Uuid>,
    /// Decisions up to here are carried out.
    carried_out: Version,
    open: HashMap<Place, Letter>,
}

impl LetterBox {
    /// That of the processor with this durable name. Fails if no stream can be called so.
    pub(crate) fn of(tenant: Tenant, processor: &str) -> Result<Self, InvalidStreamId> {
        Ok(Self { tenant, stream: format!("$processor-{processor}").parse()? })
    }

    /// One for a single replay of the past: what it leaves out holds up nobody else.
    pub(crate) fn of_replay(tenant: Tenant, handler: &str) -> Result<Self, InvalidStreamId> {
        Ok(Self { tenant, stream: format!("$replay-{handler}-{}", Uuid::now_v7()).parse()? })
    }

    /// Reads what was recorded since. Everything up to `passed` is handled, or held by a letter that is known.
    pub(crate) async fn read(
        &self,
        store: &dyn EventStore,
        letters: &mut Letters,
        passed: Position,
    ) -> Result<(), ReadError> {
        let read = ReadStream::of(self.tenant.clone(), self.stream.clone()).after(letters.version);
        let mut records = store.read_stream(read);
        while let Some(record) = records.try_next().await? {
            letters.fold(&record, passed)?;
        }
        letters.known = Some(letters.version);
        Ok(())
    }

    /// Records that an event is left out, which counts once it is read. The id follows from event and place, so that it
    /// is recorded once.
    pub(crate) async fn park(
        &self,
        store: &dyn EventStore,
        letters: &mut Letters,
        parked: &ParkedEvent,
    ) -> Result<(), AppendError> {
        let round = letters.version;
        let name = format!("{}/{}/{}/parked/{round}", self.tenant, self.stream, parked.position);
        let id = Uuid::new_v5(&NAMESPACE, name.as_bytes());
        let event = record(PARKED, parked).with_id(id);
        match store.append(self.batch(ExpectedVersion::Any, vec![event])).await {
            // An earlier try recorded it, with another text perhaps.
            Ok(_) | Err(AppendError::IdTaken { .. }) => {
                letters.own.insert(id);
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    /// Records what is to become of some letters, if nothing else was recorded since they were read. Patient while the
    /// outcome is open, which is safe because the ids follow from the places.
    pub(crate) async fn decide(
        &self,
        store: &dyn EventStore,
        letters: &Letters,
        some: &[&ParkedEvent],
        verdict: &Verdict,
    ) -> Result<(), AppendError> {
        let (event_type, reason) = match verdict {
            Verdict::Replay => (REPLAYED, None),
            Verdict::Discard { reason } => (DISCARDED, reason.as_deref().map(cut)),
        };
        let events = some.iter().enumerate().map(|(place, parked)| {
            let version = letters.version.get() + 1 + place as u64;
            let name = format!("{}/{}/{version}/{event_type}", self.tenant, self.stream);
            let ParkedEvent { tenant, stream, version, position, event_id, .. } = (*parked).clone();
            let decided = Decided { tenant, stream, version, position, event_id, reason: reason.clone() };
            record(event_type, &decided).with_id(Uuid::new_v5(&NAMESPACE, name.as_bytes()))
        });
        let batch = self.batch(ExpectedVersion::Exact(letters.version), events.collect());
        patient::append(store, batch).await.map(drop)
    }

    /// Records that everything comes again, so that nothing of what was is held any more.
    pub(crate) async fn reset(&self, store: &dyn EventStore) -> Result<(), AppendError> {
        let event = NewEvent::new(RESET, "{}");
        patient::append(store, self.batch(ExpectedVersion::Any, vec![event])).await.map(drop)
    }

    fn batch(&self, expected: ExpectedVersion, events: Vec<NewEvent>) -> AppendBatch {
        AppendBatch::to(self.stream.clone(), expected, events).of(self.tenant.clone())
    }
}

fn record(event_type: &str, data: &impl Serialize) -> NewEvent {
    NewEvent::json(event_type, data).expect("a record of texts and numbers is JSON")
}

fn data<T: DeserializeOwned>(record: &RecordedEvent) -> Result<T, ReadError> {
    serde_json::from_slice(&record.data).map_err(|error| ReadError::Unavailable {
        reason: format!(
            "version {} of {} cannot be read ({}): use a newer release",
            record.version,
            record.stream,
            Unreadable(&error)
        ),
    })
}

/// A text as it is recorded.
pub(crate) fn cut(reason: &str) -> String {
    reason.get(..reason.floor_char_boundary(REASON)).unwrap_or_default().to_owned()
}

impl Letters {
    /// None read yet, and known as the checkpoint says.
    pub(crate) fn new(saved: &Tally) -> Self {
        let Tally { carried_out, known, void, .. } = saved.clone();
        Self { carried_out, known, void, ..Self::default() }
    }

    /// What the checkpoint says once it is saved.
    pub(crate) fn note(&self, tally: &mut Tally) {
        (tally.carried_out, tally.known) = (self.carried_out, self.known);
        tally.void.clone_from(&self.void);
    }

    fn fold(&mut self, record: &RecordedEvent, passed: Position) -> Result<(), ReadError> {
        match &*record.event_type {
            PARKED => {
                let parked: ParkedEvent = data(record)?;
                if self.counts(record, &parked, passed) {
                    self.open(parked);
                } else {
                    self.void.insert(record.version);
                }
            }
            REPLAYED | DISCARDED => self.decided(record, data(record)?),
            RESET => {
                self.open.clear();
                self.void.retain(|version| *version > record.version);
            }
            // What an earlier release left out holds nobody up.
            _ => {}
        }
        self.version = record.version;
        Ok(())
    }

    /// Whether an event was left out by whoever owned the processor then.
    fn counts(&mut self, record: &RecordedEvent, parked: &ParkedEvent, passed: Position) -> bool {
        let own = self.own.remove(&record.id);
        match self.known {
            Some(known) if record.version > known => own || parked.position > passed,
            _ => !self.void.contains(&record.version),
        }
    }

    /// A decision about another event than the one that is left out now is void, as is one about what never counted.
    fn decided(&mut self, record: &RecordedEvent, decided: Decided) {
        let place = (decided.tenant, decided.stream);
        let Some(letter) =
            self.open.get_mut(&place).filter(|letter| letter.parked.event_id == decided.event_id)
        else {
            return;
        };
        if record.version <= self.carried_out {
            self.open.remove(&place);
        } else {
            let discard = &*record.event_type == DISCARDED;
            letter.decision = Some(Decision { at: record.version, discard });
        }
    }

    /// An event of this stream is left out; what was decided about an earlier one has been carried out.
    fn open(&mut self, parked: ParkedEvent) {
        let place = (parked.tenant.clone(), parked.stream.clone());
        self.open.insert(place, Letter { parked, decision: None });
    }

    /// A decision was carried out: its stream is free, unless another event of it was left out meanwhile.
    pub(crate) fn carry_out(&mut self, place: &Place, decision: Decision) {
        self.carried_out = self.carried_out.max(decision.at);
        if self.open.get(place).is_some_and(|letter| letter.decision == Some(decision)) {
            self.open.remove(place);
        }
    }

    /// Whether an event waits behind a letter, or is one.
    pub(crate) fn hold(&self, event: &RecordedEvent) -> bool {
        !self.open.is_empty()
            && self
                .open
                .get(&(event.tenant.clone(), event.stream.clone()))
                .is_some_and(|letter| letter.parked.version <= event.version)
    }

    /// The letter of this stream.
    pub(crate) fn get(&self, place: &Place) -> Option<&Letter> {
        self.open.get(place)
    }

    /// The oldest decision, once it is about what was handled up to here. Later ones wait for it: they are carried out in
    /// their order, so that one version tells which are.
    pub(crate) fn next_decision(&self, handled: Position) -> Option<(&Place, &Letter, Decision)> {
        let decided = self.open.iter().filter_map(|(place, letter)| Some((place, letter, letter.decision?)));
        decided
            .min_by_key(|(_, _, decision)| decision.at)
            .filter(|(_, letter, _)| letter.parked.position <= handled)
    }

    /// How many are open.
    pub(crate) fn len(&self) -> usize {
        self.open.len()
    }

    /// All that are open, oldest first.
    pub(crate) fn oldest_first(&self) -> Vec<&Letter> {
        let by_position: BTreeMap<_, _> =
            self.open.values().map(|letter| (letter.parked.position, letter)).collect();
        by_position.into_values().collect()
    }
}
