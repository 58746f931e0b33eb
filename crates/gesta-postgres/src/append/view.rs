//! What a group's decisions stand on: what the database holds, and what the group itself is about to add.

use std::collections::HashMap;

use gesta_core::{
    AppendBatch, AppendError, AppendedEvent, Position, RecordedEvent, StoredView, StreamId, Tenant,
    Timestamp, Version,
};
use uuid::Uuid;

/// The streams and events that a group asks about, as the database has them under the log's lock.
#[derive(Default)]
pub(super) struct View {
    pub(super) versions: HashMap<(Tenant, StreamId), Version>,
    pub(super) events: HashMap<(Tenant, Uuid), RecordedEvent>,
}

impl View {
    /// Adds what was decided to be appended, so that later batches of the group see it.
    pub(super) fn add(&mut self, batch: &AppendBatch, placed: &[AppendedEvent]) {
        for ((stream, event), place) in batch.events().zip(placed) {
            self.versions.insert((batch.tenant.clone(), stream.clone()), place.version);
            let recorded = RecordedEvent {
                id: event.id,
                tenant: batch.tenant.clone(),
                stream: stream.clone(),
                version: place.version,
                position: place.position,
                event_type: event.event_type.clone(),
                schema_version: event.schema_version,
                content_type: event.content_type.clone(),
                recorded_at: place.recorded_at,
                metadata: event.stored_metadata().into(),
                data: event.data.clone(),
            };
            self.events.insert((batch.tenant.clone(), event.id), recorded);
        }
    }
}

impl StoredView for View {
    fn event(&mut self, tenant: &Tenant, id: Uuid) -> Result<Option<RecordedEvent>, AppendError> {
        Ok(self.events.get(&(tenant.clone(), id)).cloned())
    }

    fn version(&mut self, tenant: &Tenant, stream: &StreamId) -> Result<Version, AppendError> {
        Ok(self.versions.get(&(tenant.clone(), stream.clone())).copied().unwrap_or(Version::EMPTY))
    }
}

/// Places from here on, at a time that is not known yet.
pub(super) fn places(batch: &AppendBatch, versions: &[Version], first: u64) -> Vec<AppendedEvent> {
    let events = batch.events().zip(versions).enumerate();
    events
        .map(|(at, ((_, event), version))| AppendedEvent {
            id: event.id,
            version: *version,
            position: Position::new(first + at as u64),
            recorded_at: Timestamp::default(),
        })
        .collect()
}
