//! A fact, proposed and recorded.

use std::sync::Arc;

use bytes::Bytes;
use serde::Serialize;
use uuid::Uuid;

use crate::{InvalidMetadata, Metadata, Position, StreamId, Tenant, Timestamp, Version};

/// The name of a kind of event, stored as given: `sample.created`, `SampleCreated` and `PATIENT_CREATED` are all
/// legal. One to 256 bytes without control characters.
pub type EventType = Arc<str>;

/// The media type of an event's data, `application/json` by default.
pub type ContentType = Arc<str>;

/// The media type of JSON.
pub(crate) const JSON: &str = "application/json";

/// A fact proposed: what a writer hands to a store.
///
/// The id is the idempotence key: the same id with the same content is appended once, however often it is sent.
/// Make it before the first try and keep it for every retry.
#[derive(Debug, Clone, PartialEq)]
pub struct NewEvent {
    /// The event's id, unique within its tenant.
    pub id: Uuid,
    /// The name of its kind.
    pub event_type: EventType,
    /// The version of its data's shape, from 1.
    pub schema_version: u32,
    /// The media type of `data`.
    pub content_type: ContentType,
    /// The fact itself. A store never looks inside.
    pub data: Bytes,
    /// What is known about it.
    pub metadata: Metadata,
}

impl NewEvent {
    /// A fact whose data is JSON text already; it is not checked here. The id is a fresh UUID v7.
    pub fn new(event_type: impl Into<EventType>, data: impl Into<Bytes>) -> Self {
        Self {
            id: Uuid::now_v7(),
            event_type: event_type.into(),
            schema_version: 1,
            content_type: JSON.into(),
            data: data.into(),
            metadata: Metadata::default(),
        }
    }

    /// A fact from anything serde can write as JSON. Fails when serde does.
    pub fn json(event_type: impl Into<EventType>, data: &impl Serialize) -> Result<Self, serde_json::Error> {
        Ok(Self::new(event_type, serde_json::to_vec(data)?))
    }

    /// The same with this id.
    pub fn with_id(mut self, id: Uuid) -> Self {
        self.id = id;
        self
    }

    /// The same with this metadata.
    pub fn with_metadata(mut self, metadata: Metadata) -> Self {
        self.metadata = metadata;
        self
    }

    /// Its metadata as a store writes it: the correlation is the event's own id when the caller gave none.
    pub fn stored_metadata(&self) -> Vec<u8> {
        let mut json = Vec::with_capacity(256);
        self.write_stored_metadata(&mut json);
        json
    }

    /// Appends what [`NewEvent::stored_metadata`] answers to `out`.
    pub(crate) fn write_stored_metadata(&self, out: &mut Vec<u8>) {
        let start = out.len();
        self.metadata.write_json(out);
        if self.metadata.correlation_id.is_none() {
            // It comes first among the keys, so it may be put in front of the others.
            let mut id = Uuid::encode_buffer();
            let id = self.id.hyphenated().encode_lower(&mut id).as_bytes();
            let more: &[u8] = if out.len() == start + 2 { b"\"" } else { b"\"," };
            let parts = [&b"\"correlation_id\":\""[..], id, more];
            out.splice(start + 1..start + 1, parts.into_iter().flatten().copied());
        }
    }
}

/// A fact recorded: what a store hands out. Its bytes never change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordedEvent {
    /// The event's id.
    pub id: Uuid,
    /// Whose event it is.
    pub tenant: Tenant,
    /// The stream it belongs to.
    pub stream: StreamId,
    /// Its place in the stream.
    pub version: Version,
    /// Its place in the log.
    pub position: Position,
    /// The name of its kind.
    pub event_type: EventType,
    /// The version of its data's shape.
    pub schema_version: u32,
    /// The media type of `data`.
    pub content_type: ContentType,
    /// When it was recorded, by the store's clock.
    pub recorded_at: Timestamp,
    /// What is known about it: a JSON object, as stored.
    pub metadata: Bytes,
    /// The fact itself, as stored.
    pub data: Bytes,
}

impl RecordedEvent {
    /// The metadata, parsed. Fails on bytes that no store of ours wrote.
    pub fn metadata(&self) -> Result<Metadata, InvalidMetadata> {
        Metadata::from_json(&self.metadata)
    }

    /// Whether this is the record of `proposed` in `stream`: stream, type, schema version, content type, data and
    /// metadata are equal, the trace context apart.
    pub fn records(&self, stream: &StreamId, proposed: &NewEvent) -> bool {
        self.stream == *stream
            && self.event_type == proposed.event_type
            && self.schema_version == proposed.schema_version
            && self.content_type == proposed.content_type
            && self.data == proposed.data
            && self.same_metadata(proposed)
    }

    fn same_metadata(&self, proposed: &NewEvent) -> bool {
        let given = proposed.stored_metadata();
        if self.metadata == given {
            return true;
        }
        matches!((self.metadata(), Metadata::from_json(&given)), (Ok(mine), Ok(theirs)) if mine.same_content(&theirs))
    }
}
