//! The event service's own shape of an event.

use std::{borrow::Cow, collections::BTreeMap};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use gesta_core::{Metadata, RecordedEvent, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::event::{as_raw, given, is_json_type};

/// An event as the event service delivers it.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Envelope<'a> {
    /// The event's id.
    pub id: Uuid,
    /// The name of its kind.
    pub event_type: Cow<'a, str>,
    /// The program that made it; empty when that is not known.
    pub source_service: String,
    /// The version of its payload's shape: `1.0`, `2.0`, …
    #[schema(example = "1.0")]
    pub version: String,
    /// When it was recorded.
    #[schema(value_type = String, format = DateTime)]
    pub timestamp: Timestamp,
    /// The conversation it belongs to.
    pub correlation_id: Option<String>,
    /// The fact itself; `null` beside a `payload_base64`.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = serde_json::Value)]
    pub payload: Option<Cow<'a, RawValue>>,
    /// The fact itself, when it is not JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payload_base64: Option<String>,
    /// Everything else that is known about it, as texts.
    pub metadata: BTreeMap<String, String>,
    /// What or whom it is about.
    pub subject: Option<String>,
    /// 1 (highest) to 5 (lowest).
    #[schema(minimum = 1, maximum = 5)]
    pub priority: u8,
    /// Its place in its stream.
    pub stream_version: u64,
    /// Its place in the log.
    pub position: u64,
}

impl<'a> From<&'a RecordedEvent> for Envelope<'a> {
    fn from(event: &'a RecordedEvent) -> Self {
        // Only bytes that no store of ours wrote are no metadata; an event must not be undeliverable for that.
        let known = event.metadata().unwrap_or_default();
        let payload = if is_json_type(&event.content_type) { as_raw(&event.data) } else { None };
        Self {
            id: event.id,
            event_type: Cow::Borrowed(&event.event_type),
            version: format!("{}.0", event.schema_version),
            timestamp: event.recorded_at,
            payload: payload.map(Cow::Borrowed),
            payload_base64: payload.is_none().then(|| STANDARD.encode(&event.data)),
            metadata: texts(&known),
            priority: known.priority().get(),
            source_service: known.source.unwrap_or_default(),
            correlation_id: known.correlation_id,
            subject: known.subject,
            stream_version: event.version.get(),
            position: event.position.get(),
        }
    }
}

/// The keys that have no field of their own, each as text.
fn texts(known: &Metadata) -> BTreeMap<String, String> {
    let reserved = ["causation_id", "user_id", "occurred_at", "traceparent", "tracestate"];
    let keys = reserved.into_iter().chain(known.other.keys().map(String::as_str));
    keys.filter_map(|key| Some((key.to_owned(), known.text(key)?))).collect()
}

#[cfg(test)]
mod tests {
    use gesta_core::{Position, Tenant, Version};

    use super::*;

    #[test]
    fn every_field_of_the_service_is_there() {
        let metadata =
            r#"{"correlation_id":"c","user_id":"u","source":"lab","subject":"sample-1","priority":2,"n":1}"#;
        let event = RecordedEvent {
            id: Uuid::from_u128(7),
            tenant: Tenant::default(),
            stream: "sample-1".parse().expect("legal"),
            version: Version::new(3),
            position: Position::new(9),
            event_type: "sample.created".into(),
            schema_version: 2,
            content_type: "application/json".into(),
            recorded_at: Timestamp::from_micros(0),
            metadata: metadata.into(),
            data: r#"{"b":1}"#.into(),
        };
        let text = serde_json::to_string_pretty(&Envelope::from(&event)).expect("serializes");
        insta::assert_snapshot!(text, @r#"
        {
          "id": "00000000-0000-0000-0000-000000000007",
          "event_type": "sample.created",
          "source_service": "lab",
          "version": "2.0",
          "timestamp": "1970-01-01T00:00:00.000000Z",
          "correlation_id": "c",
          "payload": {"b":1},
          "metadata": {
            "n": "1",
            "user_id": "u"
          },
          "subject": "sample-1",
          "priority": 2,
          "stream_version": 3,
          "position": 9
        }
        "#);
    }
}
