//! Random histories against a model that a page can hold: a list of events.
//!
//! The model decides for itself, on purpose without the decision that stores share, so that a mistake there shows.

use std::collections::HashMap;

use gesta_core::{
    AppendBatch, AppendError, Appended, AppendedEvent, Position, RecordedEvent, StreamId, Tenant, Timestamp,
    Version,
};
use uuid::Uuid;

mod commands;
mod play;

pub use commands::Command;
pub use play::play;

/// The log as a list.
#[derive(Debug, Default)]
pub struct Model {
    /// Every event, in order.
    pub log: Vec<RecordedEvent>,
    /// The position before the model's first event.
    pub start: u64,
}

/// What an append comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Appended, or there already: id, version and position behind the start of each event.
    Placed {
        /// Whether they were there already.
        repeated: bool,
        /// One for each event.
        places: Vec<(Uuid, u64, u64)>,
    },
    /// A stream is at another version.
    Conflict(StreamId, u64),
    /// An id is taken.
    IdTaken(Uuid),
    /// These are known, others are not.
    PartlyKnown(Vec<Uuid>),
    /// No store may take it.
    Invalid,
    /// Anything else; never what the model answers.
    Other(String),
}

impl Outcome {
    /// What a store answered, positions counted from `start`.
    pub fn of(answer: &Result<Appended, AppendError>, start: u64) -> Self {
        let place = |e: &AppendedEvent| (e.id, e.version.get(), e.position.get().wrapping_sub(start));
        match answer {
            Ok(done) => {
                Self::Placed { repeated: done.repeated, places: done.events.iter().map(place).collect() }
            }
            Err(AppendError::Conflict(conflict)) => {
                Self::Conflict(conflict.stream.clone(), conflict.actual.get())
            }
            Err(AppendError::IdTaken { id }) => Self::IdTaken(*id),
            Err(AppendError::PartlyKnown { known, .. }) => Self::PartlyKnown(known.clone()),
            Err(AppendError::Invalid(_)) => Self::Invalid,
            Err(other) => Self::Other(other.to_string()),
        }
    }
}

impl Model {
    /// What a store must answer to this batch.
    pub fn decide(&self, batch: &AppendBatch) -> Outcome {
        if batch.validate().is_err() {
            return Outcome::Invalid;
        }
        let mut known = Vec::new();
        for (stream, event) in batch.events() {
            let found = self.log.iter().find(|have| have.tenant == batch.tenant && have.id == event.id);
            let Some(found) = found else { continue };
            if !found.records(stream, event) {
                return Outcome::IdTaken(event.id);
            }
            known.push((found.id, found.version.get(), found.position.get() - self.start));
        }
        match known.len() {
            0 => self.place(batch),
            all if all == batch.events().count() => Outcome::Placed { repeated: true, places: known },
            _ => Outcome::PartlyKnown(known.into_iter().map(|(id, ..)| id).collect()),
        }
    }

    fn place(&self, batch: &AppendBatch) -> Outcome {
        let mut added: HashMap<&StreamId, u64> = HashMap::new();
        let mut places = Vec::new();
        for append in &batch.appends {
            let grown = added.entry(&append.stream).or_default();
            let version = self.version(&batch.tenant, &append.stream) + *grown;
            if !append.expected.accepts(Version::new(version)) {
                return Outcome::Conflict(append.stream.clone(), version);
            }
            for (at, event) in append.events.iter().enumerate() {
                let position = (self.log.len() + places.len() + 1) as u64;
                places.push((event.id, version + 1 + at as u64, position));
            }
            *grown += append.events.len() as u64;
        }
        Outcome::Placed { repeated: false, places }
    }

    fn version(&self, tenant: &Tenant, stream: &StreamId) -> u64 {
        self.log.iter().filter(|have| have.tenant == *tenant && have.stream == *stream).count() as u64
    }

    /// Takes up what was appended; times are the store's.
    pub fn record(&mut self, batch: &AppendBatch, times: &[Timestamp]) {
        for ((stream, event), recorded_at) in batch.events().zip(times) {
            let version = Version::new(self.version(&batch.tenant, stream) + 1);
            self.log.push(RecordedEvent {
                id: event.id,
                tenant: batch.tenant.clone(),
                stream: stream.clone(),
                version,
                position: Position::new(self.start + self.log.len() as u64 + 1),
                event_type: event.event_type.clone(),
                schema_version: event.schema_version,
                content_type: event.content_type.clone(),
                recorded_at: *recorded_at,
                metadata: event.stored_metadata().into(),
                data: event.data.clone(),
            });
        }
    }
}

/// A number that differs when the events do, their times apart; positions count from `start`. Stable over
/// machines and releases (FNV-1a).
pub fn digest(events: &[RecordedEvent], start: u64) -> u64 {
    events.iter().fold(FNV_START, |sum, event| {
        let numbers =
            [event.position.get().wrapping_sub(start), event.version.get(), event.schema_version.into()];
        let sum = numbers.iter().fold(sum, |sum, number| fnv(sum, &number.to_le_bytes()));
        let texts = [event.tenant.as_str(), event.stream.as_str(), &event.event_type, &event.content_type];
        let sum = texts.iter().fold(sum, |sum, text| fnv(sum, text.as_bytes()));
        [event.id.as_bytes(), &event.metadata[..], &event.data].iter().fold(sum, |sum, bytes| fnv(sum, bytes))
    })
}

const FNV_START: u64 = 0xcbf2_9ce4_8422_2325;

fn fnv(sum: u64, bytes: &[u8]) -> u64 {
    let length = (bytes.len() as u64).to_le_bytes();
    length.iter().chain(bytes).fold(sum, |sum, byte| (sum ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}
