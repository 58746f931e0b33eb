//! A recorded event as JSON.

use std::borrow::Cow;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use gesta_core::{Position, RecordedEvent, StreamId, Tenant, Timestamp, Version};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{Problem, strict::is_json};

/// A recorded event. JSON data stands in `data` to the letter, everything else in `data_base64`.
///
/// Made from a [`RecordedEvent`] without a copy of its data, and turned back with [`Event::into_recorded`].
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Event<'a> {
    /// The event's id.
    pub id: Uuid,
    /// Whose event it is.
    #[schema(value_type = String)]
    pub tenant: Tenant,
    /// The stream it belongs to.
    #[schema(value_type = String, example = "sample-42")]
    pub stream: StreamId,
    /// Its place in the stream, from 1.
    #[schema(value_type = u64)]
    pub version: Version,
    /// Its place in the log, from 1.
    #[schema(value_type = u64)]
    pub position: Position,
    /// The name of its kind.
    #[serde(rename = "type")]
    pub event_type: Cow<'a, str>,
    /// The version of its data's shape.
    pub schema_version: u32,
    /// The media type of its data.
    pub content_type: Cow<'a, str>,
    /// When it was recorded: RFC 3339, microseconds, UTC.
    #[schema(value_type = String, format = DateTime)]
    pub recorded_at: Timestamp,
    /// What is known about it.
    #[schema(value_type = Object)]
    pub metadata: Cow<'a, RawValue>,
    /// The fact itself, when its content type is JSON.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<serde_json::Value>)]
    pub data: Option<Cow<'a, RawValue>>,
    /// The fact itself in base64, when it is anything else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_base64: Option<String>,
}

/// Reads a value that is there, `null` included: as data, `null` is a value.
pub(crate) fn given<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: serde::Deserializer<'de>,
    T: Deserialize<'de>,
{
    T::deserialize(deserializer).map(Some)
}

/// Whether a media type is JSON: `application/json` or anything that ends in `+json`, parameters apart.
pub(crate) fn is_json_type(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    essence.eq_ignore_ascii_case("application/json") || essence.to_ascii_lowercase().ends_with("+json")
}

/// Stored bytes as they may stand in a reply, if they are JSON text without anything around it.
pub(crate) fn as_raw(bytes: &[u8]) -> Option<&RawValue> {
    let bare = bytes.first().is_some_and(|b| !b.is_ascii_whitespace())
        && bytes.last().is_some_and(|b| !b.is_ascii_whitespace());
    if bare && is_json(bytes) { serde_json::from_slice(bytes).ok() } else { None }
}

impl<'a> From<&'a RecordedEvent> for Event<'a> {
    fn from(event: &'a RecordedEvent) -> Self {
        let data = if is_json_type(&event.content_type) { as_raw(&event.data) } else { None };
        let empty = || Cow::Owned(RawValue::from_string("{}".into()).expect("an object"));
        Self {
            id: event.id,
            tenant: event.tenant.clone(),
            stream: event.stream.clone(),
            version: event.version,
            position: event.position,
            event_type: Cow::Borrowed(&event.event_type),
            schema_version: event.schema_version,
            content_type: Cow::Borrowed(&event.content_type),
            recorded_at: event.recorded_at,
            metadata: as_raw(&event.metadata).map_or_else(empty, Cow::Borrowed),
            data: data.map(Cow::Borrowed),
            data_base64: data.is_none().then(|| STANDARD.encode(&event.data)),
        }
    }
}

impl Event<'_> {
    /// The event as the core knows it. Fails when it holds neither data or both, or base64 that is none.
    pub fn into_recorded(self) -> Result<RecordedEvent, Problem> {
        Ok(RecordedEvent {
            id: self.id,
            tenant: self.tenant,
            stream: self.stream,
            version: self.version,
            position: self.position,
            event_type: self.event_type.as_ref().into(),
            schema_version: self.schema_version,
            content_type: self.content_type.as_ref().into(),
            recorded_at: self.recorded_at,
            metadata: Bytes::copy_from_slice(self.metadata.get().as_bytes()),
            data: data_bytes(self.data.as_deref(), self.data_base64.as_deref())?,
        })
    }
}

/// The bytes of `data` or `data_base64`, whichever is given. Exactly one must be.
pub(crate) fn data_bytes(data: Option<&RawValue>, base64: Option<&str>) -> Result<Bytes, Problem> {
    match (data, base64) {
        (Some(raw), None) => Ok(Bytes::copy_from_slice(raw.get().as_bytes())),
        (None, Some(text)) => match STANDARD.decode(text) {
            Ok(bytes) => Ok(bytes.into()),
            Err(error) => {
                Err(Problem::field(format!("data_base64 is not base64 (RFC 4648 section 4): {error}")))
            }
        },
        _ => Err(Problem::field("give exactly one of data (JSON) and data_base64 (anything else)")),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn recorded(content_type: &str, data: Vec<u8>) -> RecordedEvent {
        RecordedEvent {
            id: Uuid::from_u128(7),
            tenant: Tenant::default(),
            stream: "sample-42".parse().expect("legal"),
            version: Version::new(1),
            position: Position::new(9),
            event_type: "sample.created".into(),
            schema_version: 1,
            content_type: content_type.into(),
            recorded_at: Timestamp::from_micros(1_000_000),
            metadata: Bytes::from_static(br#"{"correlation_id":"c"}"#),
            data: data.into(),
        }
    }

    fn there_and_back(event: &RecordedEvent) -> RecordedEvent {
        let text = serde_json::to_string(&Event::from(event)).expect("serializes");
        let read: Event<'static> = serde_json::from_str(&text).expect("parses");
        read.into_recorded().expect("whole")
    }

    #[test]
    fn json_stands_in_the_reply_to_the_letter() {
        let event = recorded("application/json", br#"{"b":1.0, "a":[ 2 ]}"#.to_vec());
        let text = serde_json::to_string(&Event::from(&event)).expect("serializes");
        assert_eq!(
            text,
            r#"{"id":"00000000-0000-0000-0000-000000000007","tenant":"default","stream":"sample-42","version":1,"position":9,"type":"sample.created","schema_version":1,"content_type":"application/json","recorded_at":"1970-01-01T00:00:01.000000Z","metadata":{"correlation_id":"c"},"data":{"b":1.0, "a":[ 2 ]}}"#
        );
    }

    #[test]
    fn what_is_called_json_and_is_none_cannot_break_a_reply() {
        for data in ["", "{", "1}", "{}\n", " 1"] {
            let event = recorded("application/json", data.into());
            assert_eq!(there_and_back(&event), event, "{data:?}");
        }
    }

    #[test]
    fn null_is_data() {
        let event = recorded("application/json", b"null".to_vec());
        assert_eq!(there_and_back(&event), event);
    }

    proptest! {
        #[test]
        fn every_event_comes_back_as_it_went(data: Vec<u8>, json: bool) {
            let event = recorded(if json { "application/json" } else { "application/octet-stream" }, data);
            prop_assert_eq!(there_and_back(&event), event);
        }
    }
}
