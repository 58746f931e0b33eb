//! Appending: the event store's way in.

use std::num::NonZeroU32;

use gesta_core::{Appended, ExpectedVersion, Metadata, NewEvent, StreamAppend, StreamId, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    Durability, DurabilityGiven, Problem,
    event::{data_bytes, given, is_json_type},
};

/// Events for the stream of the path, all or none.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AppendRequest {
    /// The events, in order; at most 500.
    #[schema(min_items = 1, max_items = 500)]
    pub events: Vec<EventToAppend>,
    /// `any` (when absent), `no_stream`, `exists` or a version. `If-Match` and `If-None-Match: *` say the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<ExpectedVersionSchema>)]
    pub expected_version: Option<ExpectedVersion>,
    /// When it may be acknowledged: `durable` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub durability: Option<Durability>,
}

/// One event to append.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EventToAppend {
    /// Its id, kept for every retry; made by the server when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<Uuid>,
    /// The name of its kind.
    #[serde(rename = "type")]
    #[schema(min_length = 1, max_length = 256)]
    pub event_type: String,
    /// The fact itself, when its content type is JSON.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<serde_json::Value>)]
    pub data: Option<Box<RawValue>>,
    /// The fact itself in base64, when it is anything else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_base64: Option<String>,
    /// The version of its data's shape, from 1; 1 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<u32>, minimum = 1)]
    pub schema_version: Option<NonZeroU32>,
    /// The media type of its data: `application/json` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
    /// What is known about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub metadata: Option<Metadata>,
}

impl EventToAppend {
    /// The event; `id` stands in when the request names none. Fails unless exactly one of `data` and `data_base64`
    /// is given, and on `data` under a content type that is not JSON.
    pub fn into_event(self, id: impl FnOnce() -> Uuid) -> Result<NewEvent, Problem> {
        let content_type = self.content_type.unwrap_or_else(|| "application/json".into());
        if self.data.is_some() && !is_json_type(&content_type) {
            return Err(Problem::field(format!("data under {content_type:?} must come as data_base64")));
        }
        Ok(NewEvent {
            id: self.id.unwrap_or_else(id),
            event_type: self.event_type.into(),
            schema_version: self.schema_version.map_or(1, NonZeroU32::get),
            content_type: content_type.into(),
            data: data_bytes(self.data.as_deref(), self.data_base64.as_deref())?,
            metadata: self.metadata.unwrap_or_default(),
        })
    }
}

impl From<&NewEvent> for EventToAppend {
    fn from(event: &NewEvent) -> Self {
        use base64::{Engine as _, engine::general_purpose::STANDARD};
        let json = if is_json_type(&event.content_type) { crate::event::as_raw(&event.data) } else { None };
        Self {
            id: Some(event.id),
            event_type: event.event_type.to_string(),
            data: json.map(ToOwned::to_owned),
            data_base64: json.is_none().then(|| STANDARD.encode(&event.data)),
            schema_version: NonZeroU32::new(event.schema_version),
            content_type: Some(event.content_type.to_string()),
            metadata: Some(event.metadata.clone()),
        }
    }
}

/// The shape of [`ExpectedVersion`], for the document only.
#[derive(ToSchema)]
#[schema(as = ExpectedVersion)]
#[serde(untagged)]
#[allow(dead_code, reason = "describes a type of a crate that knows no OpenAPI")]
pub(crate) enum ExpectedVersionSchema {
    /// A version.
    Exact(u64),
    /// Something else.
    Word(ExpectedWord),
}

/// What a writer may expect without naming a version.
#[derive(ToSchema)]
#[serde(rename_all = "snake_case")]
#[allow(dead_code, reason = "describes a type of a crate that knows no OpenAPI")]
pub(crate) enum ExpectedWord {
    /// Nothing.
    Any,
    /// That the stream has no event.
    NoStream,
    /// That the stream has an event.
    Exists,
}

/// Where the events of an append to one stream are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AppendedReply {
    /// The stream.
    #[schema(value_type = String)]
    pub stream: StreamId,
    /// The version of the last event appended; also the `ETag`.
    pub version: u64,
    /// The position of the last event appended.
    pub position: u64,
    /// What the acknowledgement survives.
    pub durability: DurabilityGiven,
    /// Whether the events were there already, from an earlier append of the same ids.
    pub repeated: bool,
    /// One for each event, in order.
    pub events: Vec<PlacedEvent>,
}

/// Where one event is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PlacedEvent {
    /// The event.
    pub id: Uuid,
    /// Its place in its stream.
    pub version: u64,
    /// Its place in the log.
    pub position: u64,
    /// When it was recorded.
    #[schema(value_type = String, format = DateTime)]
    pub recorded_at: Timestamp,
}

impl AppendedReply {
    /// The reply to an append to `stream`.
    pub fn new(stream: StreamId, appended: &Appended) -> Self {
        let placed = |event: &gesta_core::AppendedEvent| PlacedEvent {
            id: event.id,
            version: event.version.get(),
            position: event.position.get(),
            recorded_at: event.recorded_at,
        };
        let last = appended.last();
        Self {
            stream,
            version: last.version.get(),
            position: last.position.get(),
            durability: appended.durability.into(),
            repeated: appended.repeated,
            events: appended.events.iter().map(placed).collect(),
        }
    }
}

/// Events for several streams, all or none, in this order.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BatchAppendRequest {
    /// What goes where; a stream may come more than once.
    #[schema(min_items = 1)]
    pub appends: Vec<StreamToAppend>,
    /// When it may be acknowledged: `durable` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub durability: Option<Durability>,
}

/// Events for one stream of a batch.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StreamToAppend {
    /// The stream.
    #[schema(value_type = String)]
    pub stream: StreamId,
    /// `any` (when absent), `no_stream`, `exists` or a version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<ExpectedVersionSchema>)]
    pub expected_version: Option<ExpectedVersion>,
    /// The events, in order.
    #[schema(min_items = 1)]
    pub events: Vec<EventToAppend>,
}

impl From<&StreamAppend> for StreamToAppend {
    fn from(append: &StreamAppend) -> Self {
        Self {
            stream: append.stream.clone(),
            expected_version: Some(append.expected),
            events: append.events.iter().map(Into::into).collect(),
        }
    }
}

/// Where the events of a batch are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BatchAppendedReply {
    /// The position of the last event appended.
    pub position: u64,
    /// What the acknowledgement survives.
    pub durability: DurabilityGiven,
    /// Whether the events were there already, from an earlier append of the same ids.
    pub repeated: bool,
    /// One for each event, in the batch's order.
    pub events: Vec<BatchAppendedEvent>,
}

/// Where one event of a batch is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BatchAppendedEvent {
    /// The event.
    pub id: Uuid,
    /// Its stream.
    #[schema(value_type = String)]
    pub stream: StreamId,
    /// Its place in the stream.
    pub version: u64,
    /// Its place in the log.
    pub position: u64,
    /// When it was recorded.
    #[schema(value_type = String, format = DateTime)]
    pub recorded_at: Timestamp,
}

impl BatchAppendedReply {
    /// The reply to a batch whose events went to these streams, one for each event.
    pub fn new(streams: impl IntoIterator<Item = StreamId>, appended: &Appended) -> Self {
        let placed = |(stream, event): (StreamId, &gesta_core::AppendedEvent)| BatchAppendedEvent {
            id: event.id,
            stream,
            version: event.version.get(),
            position: event.position.get(),
            recorded_at: event.recorded_at,
        };
        Self {
            position: appended.last().position.get(),
            durability: appended.durability.into(),
            repeated: appended.repeated,
            events: streams.into_iter().zip(&appended.events).map(placed).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Code, parse};

    fn event(body: &str) -> Result<NewEvent, Problem> {
        parse::<EventToAppend>(body.as_bytes())?.into_event(|| Uuid::from_u128(1))
    }

    #[test]
    fn takes_json_to_the_letter_and_other_data_as_base64() {
        assert_eq!(
            event(r#"{"type":"x","data":{"b":1.0, "a":2}}"#).expect("legal").data,
            r#"{"b":1.0, "a":2}"#
        );
        assert_eq!(event(r#"{"type":"x","data":null}"#).expect("legal").data, "null");
        let other =
            event(r#"{"type":"x","data_base64":"AAE=","content_type":"avro/binary"}"#).expect("legal");
        assert_eq!(other.data, &[0u8, 1][..]);
    }

    #[test]
    fn refuses_both_kinds_of_data_neither_or_the_wrong_one() {
        for bad in [
            r#"{"type":"x"}"#,
            r#"{"type":"x","data":1,"data_base64":"AAE="}"#,
            r#"{"type":"x","data":1,"content_type":"avro/binary"}"#,
            r#"{"type":"x","data_base64":"???"}"#,
            r#"{"type":"x","data":1,"schema_version":0}"#,
            r#"{"type":"x","data":1,"tenant":"other"}"#,
        ] {
            assert_eq!(event(bad).expect_err(bad).code(), Some(Code::InvalidField), "{bad}");
        }
    }

    #[test]
    fn an_event_comes_out_of_the_request_as_it_went_in() {
        for given in
            [NewEvent::new("x", r#"{"a":1}"#), NewEvent::new("x", &b"\xff"[..]), NewEvent::new("x", "")]
        {
            let text = serde_json::to_string(&EventToAppend::from(&given)).expect("serializes");
            assert_eq!(event(&text).expect("legal"), given);
        }
    }
}
