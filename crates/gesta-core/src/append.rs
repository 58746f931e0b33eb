//! The one way anything gets into a log.

use uuid::Uuid;

use crate::{
    Conflict, DurabilityClass, ExpectedVersion, NewEvent, Position, StreamId, Tenant, Timestamp, Version,
    limits,
};

mod decide;
pub use decide::{Decision, StoredView, decide};

/// Events for one or more streams of one tenant, appended all or not at all, in this order.
#[derive(Debug, Clone)]
pub struct AppendBatch {
    /// Whose events they are.
    pub tenant: Tenant,
    /// What goes where. A stream may come more than once: a later append sees the earlier ones.
    pub appends: Vec<StreamAppend>,
    /// When the append may be acknowledged.
    pub durability: Durability,
}

/// Events for one stream.
#[derive(Debug, Clone)]
pub struct StreamAppend {
    /// The stream.
    pub stream: StreamId,
    /// What the writer expects of it.
    pub expected: ExpectedVersion,
    /// The events, in order; at least one.
    pub events: Vec<NewEvent>,
}

/// When an append may be acknowledged.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Durability {
    /// Once it survives what the store's class says it survives.
    #[default]
    Durable,
    /// Once it is ordered, before the flush. Until it is durable nothing of it is readable and its versions and
    /// positions are provisional: after a crash they may belong to other events.
    Relaxed,
}

impl AppendBatch {
    /// One append to one stream of the default tenant.
    pub fn to(
        stream: StreamId,
        expected: ExpectedVersion,
        events: impl IntoIterator<Item = NewEvent>,
    ) -> Self {
        let append = StreamAppend { stream, expected, events: events.into_iter().collect() };
        Self { tenant: Tenant::default(), appends: vec![append], durability: Durability::Durable }
    }

    /// The same for this tenant.
    pub fn of(mut self, tenant: Tenant) -> Self {
        self.tenant = tenant;
        self
    }

    /// The same and one more append, in the same all-or-nothing.
    pub fn and(
        mut self,
        stream: StreamId,
        expected: ExpectedVersion,
        events: impl IntoIterator<Item = NewEvent>,
    ) -> Self {
        self.appends.push(StreamAppend { stream, expected, events: events.into_iter().collect() });
        self
    }

    /// The same, acknowledged before the flush.
    pub fn relaxed(mut self) -> Self {
        self.durability = Durability::Relaxed;
        self
    }

    /// Every event with its stream, in order.
    pub fn events(&self) -> impl Iterator<Item = (&StreamId, &NewEvent)> {
        self.appends.iter().flat_map(|append| append.events.iter().map(move |event| (&append.stream, event)))
    }

    /// Refuses what no store may take: nothing at all, too much, or an id twice. Every store calls it first.
    pub fn validate(&self) -> Result<(), Invalid> {
        if self.appends.is_empty() || self.appends.iter().any(|append| append.events.is_empty()) {
            return Err(Invalid::Empty);
        }
        let count = self.events().count();
        if count > limits::BATCH_EVENTS {
            return Err(Invalid::TooManyEvents { count });
        }
        let mut ids: Vec<Uuid> = self.events().map(|(_, event)| event.id).collect();
        ids.sort_unstable();
        if let Some(pair) = ids.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(Invalid::IdTwice { id: pair[0] });
        }
        let bytes = self.events().map(|(_, event)| validate_event(event)).sum::<Result<usize, _>>()?;
        if bytes <= limits::BATCH_BYTES {
            return Ok(());
        }
        let exact = |event: &NewEvent| event.data.len() + event.stored_metadata().len();
        let bytes = self.events().map(|(_, event)| exact(event)).sum();
        if bytes > limits::BATCH_BYTES { Err(Invalid::BatchTooLarge { bytes }) } else { Ok(()) }
    }
}

/// Answers with the event's size in bytes, or a little more: metadata is made into JSON only if it may be too large.
fn validate_event(event: &NewEvent) -> Result<usize, Invalid> {
    let id = event.id;
    validate_fields(id, &event.event_type, &event.content_type, event.schema_version, &event.data)?;
    // An id that takes the place of a missing correlation, too.
    let mut metadata = 64 + event.metadata.json_bytes_at_most();
    if metadata > limits::METADATA_BYTES {
        metadata = event.stored_metadata().len();
        if metadata > limits::METADATA_BYTES {
            return Err(Invalid::MetadataTooLarge { id, bytes: metadata });
        }
    }
    Ok(event.data.len() + metadata)
}

/// Refuses what an event may not have beside its metadata.
pub(crate) fn validate_fields(
    id: Uuid,
    event_type: &str,
    content_type: &str,
    schema_version: u32,
    data: &[u8],
) -> Result<(), Invalid> {
    let text =
        |text: &str, most| !text.is_empty() && text.len() <= most && !text.chars().any(char::is_control);
    if !text(event_type, limits::EVENT_TYPE_BYTES) {
        return Err(Invalid::EventType { id });
    }
    if !text(content_type, limits::CONTENT_TYPE_BYTES) {
        return Err(Invalid::ContentType { id });
    }
    if schema_version == 0 {
        return Err(Invalid::SchemaVersion { id });
    }
    if data.len() > limits::EVENT_DATA_BYTES {
        return Err(Invalid::DataTooLarge { id, bytes: data.len() });
    }
    Ok(())
}

/// Where an append put its events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Appended {
    /// One for each event of the batch, in its order.
    pub events: Vec<AppendedEvent>,
    /// Whether the events were there already, from an earlier append of the same ids.
    pub repeated: bool,
    /// What the acknowledgement is worth; `None` for a relaxed one.
    pub durability: Option<DurabilityClass>,
}

impl Appended {
    /// The last event of the batch.
    pub fn last(&self) -> AppendedEvent {
        *self.events.last().expect("a batch holds at least one event")
    }
}

/// Where one event is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AppendedEvent {
    /// The event.
    pub id: Uuid,
    /// Its place in its stream.
    pub version: Version,
    /// Its place in the log.
    pub position: Position,
    /// When it was recorded.
    pub recorded_at: Timestamp,
}

/// A batch that no store may take. Nothing of it is stored.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Invalid {
    /// No append, or one without an event.
    #[error("the batch holds an append without an event: send at least one")]
    Empty,
    /// More events than a batch may hold.
    #[error("the batch holds {count} events, at most {} are taken: split it", limits::BATCH_EVENTS)]
    TooManyEvents {
        /// How many.
        count: usize,
    },
    /// More bytes than a batch may hold.
    #[error("the batch holds {bytes} bytes, at most {} are taken: split it", limits::BATCH_BYTES)]
    BatchTooLarge {
        /// How many.
        bytes: usize,
    },
    /// One id on two events.
    #[error("event id {id} comes twice in the batch: every event needs its own")]
    IdTwice {
        /// The id.
        id: Uuid,
    },
    /// An empty or overlong type, or one with control characters.
    #[error(
        "event {id} has an illegal type: use 1 to {} bytes without control characters",
        limits::EVENT_TYPE_BYTES
    )]
    EventType {
        /// The event.
        id: Uuid,
    },
    /// An empty or overlong content type, or one with control characters.
    #[error("event {id} has an illegal content type: name a media type such as application/json")]
    ContentType {
        /// The event.
        id: Uuid,
    },
    /// Schema version 0.
    #[error("event {id} has schema version 0: they begin at 1")]
    SchemaVersion {
        /// The event.
        id: Uuid,
    },
    /// Data beyond the limit.
    #[error("event {id} holds {bytes} bytes of data, at most {} are taken", limits::EVENT_DATA_BYTES)]
    DataTooLarge {
        /// The event.
        id: Uuid,
        /// Its size.
        bytes: usize,
    },
    /// Metadata beyond the limit.
    #[error("event {id} holds {bytes} bytes of metadata, at most {} are taken", limits::METADATA_BYTES)]
    MetadataTooLarge {
        /// The event.
        id: Uuid,
        /// Its size.
        bytes: usize,
    },
}

/// Why an append was not acknowledged. Only [`AppendError::Unknown`] leaves open whether it took effect.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AppendError {
    /// The batch is not well-formed; it never will be taken.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// A stream is not at its expected version.
    #[error(transparent)]
    Conflict(#[from] Conflict),
    /// The id is taken by an event of other content.
    #[error("event id {id} is taken by another event: make a new id, or send the first content again")]
    IdTaken {
        /// The id.
        id: Uuid,
    },
    /// Some ids of the batch are known and some are not, so it is no retry of an earlier batch.
    #[error("{} of {of} events of the batch were appended before: send the others alone", known.len())]
    PartlyKnown {
        /// The known ids, in the batch's order.
        known: Vec<Uuid>,
        /// How many events the batch holds.
        of: usize,
    },
    /// The store does not offer this.
    #[error("the store does not offer {what}")]
    Unsupported {
        /// What was asked for.
        what: &'static str,
    },
    /// The store is busy; nothing was stored. Wait and send it again.
    #[error("the store is busy: {reason}; wait and send the same events again")]
    Busy {
        /// Why.
        reason: String,
    },
    /// The store takes no appends until somebody acts; nothing was stored.
    #[error("the store takes no appends: {reason}")]
    Unavailable {
        /// Why, and what to do.
        reason: String,
    },
    /// It may have taken effect or not. Send it again with the same ids to find out.
    #[error("the outcome is unknown: {reason}; send the same events with the same ids again")]
    Unknown {
        /// Why.
        reason: String,
    },
}

impl AppendError {
    /// Whether the same batch may succeed later without a change.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Busy { .. } | Self::Unavailable { .. } | Self::Unknown { .. })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(events: Vec<NewEvent>) -> AppendBatch {
        AppendBatch::to("a-1".parse().expect("legal"), ExpectedVersion::Any, events)
    }

    #[test]
    fn refuses_nothing_too_much_and_an_id_twice() {
        let event = NewEvent::new("x", "1");
        assert_eq!(batch(vec![]).validate(), Err(Invalid::Empty));
        assert_eq!(
            batch(vec![event.clone(), event.clone()]).validate(),
            Err(Invalid::IdTwice { id: event.id })
        );
        let many = (0..=limits::BATCH_EVENTS).map(|_| NewEvent::new("x", "1")).collect();
        assert!(matches!(batch(many).validate(), Err(Invalid::TooManyEvents { count: 501 })));
        let large = NewEvent::new("x", vec![b'1'; limits::EVENT_DATA_BYTES + 1]);
        assert!(matches!(batch(vec![large]).validate(), Err(Invalid::DataTooLarge { .. })));
        let nine = (0..9).map(|_| NewEvent::new("x", vec![b'1'; limits::EVENT_DATA_BYTES])).collect();
        assert!(matches!(batch(nine).validate(), Err(Invalid::BatchTooLarge { .. })));
    }

    #[test]
    fn metadata_is_never_longer_than_it_is_taken_for() {
        let odd = "\u{1}\"\\ä".repeat(9);
        let metadata = crate::Metadata {
            causation_id: Some(odd.clone()),
            user_id: Some(odd.clone()),
            source: Some(odd.clone()),
            subject: Some(odd.clone()),
            priority: crate::Priority::new(1),
            occurred_at: Some(Timestamp::from_micros(1)),
            traceparent: Some(odd.clone()),
            tracestate: Some(odd.clone()),
            ..crate::Metadata::default()
        };
        let event = NewEvent::new("x", "1").with_metadata(metadata.with(odd.clone(), &odd));
        assert!(event.stored_metadata().len() <= 64 + event.metadata.json_bytes_at_most());
        let exactly = "x".repeat(limits::METADATA_BYTES - r#"{"correlation_id":""}"#.len());
        let full = crate::Metadata { correlation_id: Some(exactly), ..crate::Metadata::default() };
        assert_eq!(batch(vec![NewEvent::new("x", "1").with_metadata(full)]).validate(), Ok(()));
    }

    #[test]
    fn refuses_a_type_without_a_name() {
        for name in ["", "a\nb", &"x".repeat(257)] {
            assert!(matches!(
                batch(vec![NewEvent::new(name, "1")]).validate(),
                Err(Invalid::EventType { .. })
            ));
        }
    }
}
