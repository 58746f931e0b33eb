//! The record of events that a processor left out.

use std::sync::Arc;

use gesta_core::{AppendBatch, AppendError, EventStore, ExpectedVersion, NewEvent, RecordedEvent, Tenant};
use serde::Serialize;
use uuid::Uuid;

const SKIPPED: &str = "gesta.processor.skipped";

/// The namespace of the ids of these records; fixed for ever.
const NAMESPACE: Uuid = Uuid::from_u128(0x6765_7374_612e_5072_8f75_7000_0000_0002);

/// The data of `gesta.processor.skipped`.
#[derive(Serialize)]
struct Skipped<'a> {
    tenant: &'a str,
    stream: &'a str,
    version: u64,
    position: u64,
    event_id: Uuid,
    event_type: &'a str,
    reason: &'a str,
}

/// Records that a processor leaves out an event. Its id follows from both, so that it is recorded once.
pub(super) async fn record(
    store: &Arc<dyn EventStore>,
    tenant: &Tenant,
    processor: &str,
    event: &RecordedEvent,
    reason: &str,
) -> Result<(), String> {
    let stream = format!("$processor-{processor}").parse().map_err(|_| {
        format!(
            "the handler's name {processor:?} cannot be part of a stream's, so nothing can be skipped by it"
        )
    })?;
    let data = Skipped {
        tenant: event.tenant.as_str(),
        stream: event.stream.as_str(),
        version: event.version.get(),
        position: event.position.get(),
        event_id: event.id,
        event_type: &event.event_type,
        reason: reason.get(..reason.floor_char_boundary(1_000)).unwrap_or_default(),
    };
    let name = format!("{tenant}/{processor}/{}", event.position);
    let id = Uuid::new_v5(&NAMESPACE, name.as_bytes());
    let skipped = NewEvent::json(SKIPPED, &data).expect("a record of texts and numbers is JSON").with_id(id);
    let batch = AppendBatch::to(stream, ExpectedVersion::Any, [skipped]).of(tenant.clone());
    match store.append(batch).await {
        // An earlier try recorded it, with another reason perhaps.
        Ok(_) | Err(AppendError::IdTaken { .. }) => Ok(()),
        Err(error) => Err(error.to_string()),
    }
}
