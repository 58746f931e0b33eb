//! Recorded events without a store, for tests of whatever reads them: projections, upcasters, handlers.

use std::{collections::HashMap, time::Duration};

use gesta_core::{Metadata, NewEvent, Position, RecordedEvent, StreamId, Tenant, Timestamp, Version};
use serde_json::Value;
use uuid::Uuid;

use super::BEGINNING;
use crate::event::Event;

/// Events as a store would hand them out: with versions, positions and times, and ids that are the same in every run.
///
/// ```
/// # use gesta::Event;
/// # #[derive(Clone, Event)]
/// # enum ParcelEvent { #[event(name = "ParcelSent")] Sent(u32), #[event(name = "ParcelLost")] Lost(u32) }
/// use gesta::scenario::Recording;
/// let events = Recording::new()
///     .of("parcel-7", [ParcelEvent::Sent(1)])
///     .of("parcel-8", [ParcelEvent::Sent(1), ParcelEvent::Lost(2)])
///     .into_events();
/// let last = &events[2];
/// assert_eq!((&*last.event_type, last.version.get(), last.position.get()), ("ParcelLost", 2, 3));
/// ```
#[derive(Debug, Clone)]
pub struct Recording {
    tenant: Tenant,
    now: Timestamp,
    metadata: Metadata,
    versions: HashMap<StreamId, Version>,
    events: Vec<RecordedEvent>,
}

impl Default for Recording {
    fn default() -> Self {
        Self {
            tenant: Tenant::default(),
            now: Timestamp::from_micros(BEGINNING),
            metadata: Metadata::default(),
            versions: HashMap::new(),
            events: Vec::new(),
        }
    }
}

impl Recording {
    /// Nothing yet, on 1 January 2026, UTC.
    pub fn new() -> Self {
        Self::default()
    }

    /// The same for this tenant from now on.
    pub fn for_tenant(mut self, tenant: Tenant) -> Self {
        self.tenant = tenant;
        self.versions.clear();
        self
    }

    /// The same at this time.
    pub fn at(mut self, time: Timestamp) -> Self {
        self.now = time;
        self
    }

    /// The same so much later.
    pub fn after(mut self, time: Duration) -> Self {
        self.now = self.now.plus(time);
        self
    }

    /// The same with this metadata on what follows.
    pub fn with_metadata(mut self, metadata: Metadata) -> Self {
        self.metadata = metadata;
        self
    }

    /// The same after these events of a stream, all at the recording's time. Panics on an illegal stream id and on an
    /// event that serde cannot write.
    #[track_caller]
    pub fn of<E: Event>(mut self, stream: &str, events: impl IntoIterator<Item = E>) -> Self {
        let stream: StreamId = stream.parse().unwrap_or_else(|error| panic!("{error}"));
        for event in events {
            let kind = event.kind();
            let data =
                event.encode().unwrap_or_else(|error| panic!("{} cannot be written: {error}", kind.name));
            let mut new = NewEvent::new(kind.name, data).with_metadata(self.metadata.clone());
            new.schema_version = kind.schema_version;
            self.record(&stream, new);
        }
        self
    }

    /// The events, in the order of the log.
    pub fn into_events(self) -> Vec<RecordedEvent> {
        self.events
    }

    fn record(&mut self, stream: &StreamId, mut new: NewEvent) {
        let position = Position::new(self.events.len() as u64 + 1);
        new.id = Uuid::new_v5(&Uuid::NAMESPACE_OID, format!("{}/{position}", self.tenant).as_bytes());
        let version = self.versions.entry(stream.clone()).or_default();
        *version = version.next();
        self.events.push(RecordedEvent {
            id: new.id,
            tenant: self.tenant.clone(),
            stream: stream.clone(),
            version: *version,
            position,
            metadata: new.stored_metadata().into(),
            event_type: new.event_type,
            schema_version: new.schema_version,
            content_type: new.content_type,
            recorded_at: self.now,
            data: new.data,
        });
    }
}

/// One event as an older program stored it, to try upcasters on: the first of stream `stored-1`.
pub fn stored(event_type: &str, schema_version: u32, data: &Value) -> RecordedEvent {
    let mut new = NewEvent::new(event_type, data.to_string());
    new.schema_version = schema_version;
    let mut recording = Recording::new();
    recording.record(&"stored-1".parse().expect("is a stream id"), new);
    recording.events.remove(0)
}
