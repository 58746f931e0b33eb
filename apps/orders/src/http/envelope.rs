//! Events as other programs of this application know them.

use std::collections::BTreeMap;

use gesta::PageRequest;
use gesta_core::{Metadata, RecordedEvent, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};
use utoipa::ToSchema;
use uuid::Uuid;

/// An event with everything that is known about it.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct EventEnvelope {
    /// Its id.
    pub event_id: Uuid,
    /// The order or customer.
    pub aggregate_id: String,
    /// Its place among the events of that, from 1.
    pub sequence_number: u64,
    /// The name of its kind.
    pub event_type: String,
    /// The version of its shape.
    pub event_version: u32,
    /// Its fields, to the letter.
    #[schema(value_type = Object)]
    pub event_data: Box<RawValue>,
    /// The command or event that led to it.
    pub causation_id: Option<String>,
    /// The conversation it belongs to.
    pub correlation_id: Option<String>,
    /// Who acted.
    pub user_id: Option<String>,
    /// When it was recorded.
    #[schema(value_type = String, format = DateTime)]
    pub timestamp: Timestamp,
    /// Everything else, as text.
    pub metadata: BTreeMap<String, String>,
}

/// A page of events, in the order they happened.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct EventPage {
    /// The events.
    pub items: Vec<EventEnvelope>,
    /// How many there are on all pages.
    pub total_count: u64,
    /// Which page this is, from 1.
    pub page: u32,
    /// How many a full page holds.
    pub page_size: u32,
    /// Whether there are events behind it.
    pub has_next: bool,
    /// Whether there are events before it.
    pub has_previous: bool,
}

impl EventEnvelope {
    /// An event of the log. Data that is no JSON is shown as a text.
    pub(super) fn of(event: &RecordedEvent) -> Self {
        let metadata = event.metadata().unwrap_or_default();
        let as_text = || to_raw_value(&String::from_utf8_lossy(&event.data)).expect("text always serializes");
        Self {
            event_id: event.id,
            aggregate_id: event.stream.key().to_owned(),
            sequence_number: event.version.get(),
            event_type: event.event_type.to_string(),
            event_version: event.schema_version,
            event_data: serde_json::from_slice(&event.data).unwrap_or_else(|_| as_text()),
            metadata: others(&metadata),
            causation_id: metadata.causation_id,
            correlation_id: metadata.correlation_id,
            user_id: metadata.user_id,
            timestamp: event.recorded_at,
        }
    }
}

/// What the envelope has no field for.
fn others(metadata: &Metadata) -> BTreeMap<String, String> {
    let reserved = ["source", "subject", "priority", "occurred_at", "traceparent", "tracestate"];
    let keys = reserved.into_iter().chain(metadata.other.keys().map(String::as_str));
    keys.filter_map(|key| Some((key.to_owned(), metadata.text(key)?))).collect()
}

impl EventPage {
    pub(super) fn new(items: Vec<EventEnvelope>, total_count: u64, request: PageRequest) -> Self {
        let (page, page_size) = (request.page(), request.page_size());
        let has_next = u64::from(page) * u64::from(page_size) < total_count;
        Self { items, total_count, page, page_size, has_next, has_previous: page > 1 }
    }
}
