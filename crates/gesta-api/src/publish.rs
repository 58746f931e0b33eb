//! Publishing: the event service's way to append.

use std::collections::BTreeMap;

use bytes::Bytes;
use gesta_core::{
    Durability as CoreDurability, DurabilityClass, Metadata, NewEvent, Priority, StreamId, Timestamp,
};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::Problem;

/// One event to publish. It goes to the stream its subject names, when that is a legal stream id, else to
/// `events-<event_type>`. An explicit `null` of an optional field equals its absence.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PublishRequest {
    /// The name of its kind.
    #[schema(min_length = 1, max_length = 256, example = "sample.created")]
    pub event_type: String,
    /// The program that made it.
    #[schema(example = "sample-service")]
    pub source_service: String,
    /// The fact itself: any JSON.
    #[schema(value_type = serde_json::Value)]
    pub payload: Box<RawValue>,
    /// The version of its payload's shape: `1.0` when absent, `2.0`, … It only counts whole versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "1.0", pattern = "^[0-9]+(\\.0)?$")]
    pub version: Option<String>,
    /// What or whom it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "sample-42")]
    pub subject: Option<String>,
    /// 1 (highest) to 5 (lowest), 3 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<u8>, minimum = 1, maximum = 5)]
    pub priority: Option<Priority>,
    /// The conversation it belongs to; the event's id when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub correlation_id: Option<Uuid>,
    /// Its id, kept for every retry; made by the server when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_id: Option<Uuid>,
    /// Texts of the caller's own; `causation_id`, `user_id` and `occurred_at` have the meaning of their names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<BTreeMap<String, String>>,
    /// When it may be acknowledged: `durable` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub durability: Option<Durability>,
}

/// When an append may be acknowledged.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Durability {
    /// Once it survives what the store's class says.
    #[default]
    Durable,
    /// Once it is ordered, before the flush; until then nothing of it is readable.
    Relaxed,
}

impl From<Durability> for CoreDurability {
    fn from(asked: Durability) -> Self {
        match asked {
            Durability::Durable => Self::Durable,
            Durability::Relaxed => Self::Relaxed,
        }
    }
}

impl From<CoreDurability> for Durability {
    fn from(asked: CoreDurability) -> Self {
        match asked {
            CoreDurability::Durable => Self::Durable,
            CoreDurability::Relaxed => Self::Relaxed,
        }
    }
}

/// What an acknowledgement survives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum DurabilityGiven {
    /// Nothing yet: version and position are provisional.
    Relaxed,
    /// Nothing: the store is in memory.
    Volatile,
    /// A kill of the server, not a power cut.
    Buffered,
    /// A kill, an OS crash and a power cut, on a device that honours flush.
    Synced,
    /// The loss of a minority of replicas.
    Replicated,
}

impl From<Option<DurabilityClass>> for DurabilityGiven {
    fn from(class: Option<DurabilityClass>) -> Self {
        match class {
            None => Self::Relaxed,
            Some(DurabilityClass::Buffered) => Self::Buffered,
            Some(DurabilityClass::Synced) => Self::Synced,
            Some(DurabilityClass::Replicated) => Self::Replicated,
            // The least promise also for a class that this release does not know.
            Some(_) => Self::Volatile,
        }
    }
}

impl From<DurabilityGiven> for Option<DurabilityClass> {
    fn from(given: DurabilityGiven) -> Self {
        match given {
            DurabilityGiven::Relaxed => None,
            DurabilityGiven::Volatile => Some(DurabilityClass::Volatile),
            DurabilityGiven::Buffered => Some(DurabilityClass::Buffered),
            DurabilityGiven::Synced => Some(DurabilityClass::Synced),
            DurabilityGiven::Replicated => Some(DurabilityClass::Replicated),
        }
    }
}

impl PublishRequest {
    /// A request with nothing optional set.
    pub fn new(event_type: impl Into<String>, source: impl Into<String>, payload: Box<RawValue>) -> Self {
        Self {
            event_type: event_type.into(),
            source_service: source.into(),
            payload,
            version: None,
            subject: None,
            priority: None,
            correlation_id: None,
            event_id: None,
            metadata: None,
            durability: None,
        }
    }

    /// The stream it goes to.
    pub fn stream(&self) -> StreamId {
        let subject = self.subject.as_deref().and_then(|subject| subject.parse().ok());
        subject.unwrap_or_else(|| StreamId::lossy("events", &self.event_type))
    }

    /// The stream and the event to append; `id` stands in when the request names none. Fails on a version that is none,
    /// and on metadata under a reserved key that has a field of its own.
    pub fn into_event(self, id: impl FnOnce() -> Uuid) -> Result<(StreamId, NewEvent), Problem> {
        if self.source_service.is_empty() {
            return Err(Problem::field("source_service is empty: name the program that made the event"));
        }
        let stream = self.stream();
        let schema_version = self.version.as_deref().map_or(Ok(1), schema_version)?;
        let metadata = Metadata {
            source: Some(self.source_service),
            subject: self.subject,
            priority: self.priority,
            correlation_id: self.correlation_id.map(|id| id.to_string()),
            ..text_metadata(self.metadata.unwrap_or_default())?
        };
        let event = NewEvent {
            id: self.event_id.unwrap_or_else(id),
            event_type: self.event_type.into(),
            schema_version,
            content_type: "application/json".into(),
            data: Bytes::from(Box::<str>::from(self.payload).into_boxed_bytes().into_vec()),
            metadata,
        };
        Ok((stream, event))
    }
}

/// The number of a version as text: `2.0` or `2`.
fn schema_version(text: &str) -> Result<u32, Problem> {
    let whole = text.strip_suffix(".0").unwrap_or(text);
    let plain = whole.bytes().all(|digit| digit.is_ascii_digit());
    whole.parse().ok().filter(|version| plain && *version >= 1).ok_or_else(|| {
        let text: String = text.chars().take(40).collect();
        Problem::field(format!("illegal version {text:?}: write 1.0, 2.0 and so on, whole versions only"))
    })
}

/// Sorts texts into the reserved keys they name and the caller's own.
fn text_metadata(texts: BTreeMap<String, String>) -> Result<Metadata, Problem> {
    let mut made = Metadata::default();
    for (key, text) in texts {
        match key.as_str() {
            "causation_id" => made.causation_id = Some(text),
            "user_id" => made.user_id = Some(text),
            "traceparent" => made.traceparent = Some(text),
            "tracestate" => made.tracestate = Some(text),
            "occurred_at" => {
                let time = text.parse::<Timestamp>();
                made.occurred_at =
                    Some(time.map_err(|e| Problem::field(format!("metadata.occurred_at: {e}")))?);
            }
            "source" | "subject" | "priority" | "correlation_id" => {
                let field = if key == "source" { "source_service" } else { &key };
                return Err(Problem::field(format!(
                    "metadata.{key} is reserved: give it as the field {field}"
                )));
            }
            _ => made = made.with(key, &text),
        }
    }
    Ok(made)
}

/// Where a published event is. `event_id`, `stream_id` and `published_at` are always there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Published {
    /// The event's id.
    pub event_id: Uuid,
    /// Its stream.
    #[schema(value_type = String)]
    pub stream_id: StreamId,
    /// When it was recorded.
    #[schema(value_type = String, format = DateTime)]
    pub published_at: Timestamp,
    /// Its place in the stream.
    pub version: u64,
    /// Its place in the log.
    pub position: u64,
    /// What the acknowledgement survives.
    pub durability: DurabilityGiven,
}

/// Events to publish all or not at all, in this order; at most 500. They share one durability: `relaxed` only if
/// every one asks for it.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PublishBatchRequest {
    /// The events.
    #[schema(min_items = 1, max_items = 500)]
    pub events: Vec<PublishRequest>,
}

/// Where the events of a batch are, in its order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PublishBatchReply {
    /// One for each event.
    pub events: Vec<Published>,
}

/// Publishing for callers that think in aggregates: the stream is the aggregate's.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AggregateEvent {
    /// The name of its kind.
    #[schema(min_length = 1, max_length = 256)]
    pub event_type: String,
    /// Which aggregate.
    #[schema(min_length = 1)]
    pub aggregate_id: String,
    /// Its type; `BedAssignment` becomes the category `bed_assignment`.
    #[schema(min_length = 1)]
    pub aggregate_type: String,
    /// The fact itself: any JSON.
    #[schema(value_type = serde_json::Value)]
    pub data: Box<RawValue>,
    /// What is known about it; `source_service` or `source` names the program that made it.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    pub metadata: Option<Metadata>,
}

impl AggregateEvent {
    /// The stream and the event to append. Fails when type and id make no legal stream id.
    pub fn into_event(self, id: Uuid) -> Result<(StreamId, NewEvent), Problem> {
        let text = format!("{}-{}", snake_case(&self.aggregate_type), self.aggregate_id);
        let stream: StreamId = text.parse().map_err(|error| Problem::field(format!("{error}")))?;
        let mut metadata = self.metadata.unwrap_or_default();
        if metadata.source.is_none() {
            metadata.source = metadata.text("source_service");
            metadata.other.remove("source_service");
        }
        let data = Bytes::from(Box::<str>::from(self.data).into_boxed_bytes().into_vec());
        Ok((stream, NewEvent::new(self.event_type, data).with_id(id).with_metadata(metadata)))
    }
}

/// `BedAssignment` → `bed_assignment`, `ICUAlert` → `icu_alert`; what is lower case already stays.
fn snake_case(name: &str) -> String {
    let chars: Vec<char> = name.chars().collect();
    let mut made = String::with_capacity(name.len() + 4);
    for (at, c) in chars.iter().enumerate() {
        let before = at.checked_sub(1).map(|before| chars[before]);
        let behind = chars.get(at + 1);
        let word = before.is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit())
            || (before.is_some_and(|c| c.is_ascii_uppercase())
                && behind.is_some_and(|c| c.is_ascii_lowercase()));
        if c.is_ascii_uppercase() && word {
            made.push('_');
        }
        made.push(c.to_ascii_lowercase());
    }
    made
}

/// The answer to an [`AggregateEvent`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AcceptedEvent {
    /// The event's id.
    pub event_id: Uuid,
    /// When it was recorded.
    #[schema(value_type = String, format = DateTime)]
    pub timestamp: Timestamp,
    /// Always `accepted`.
    #[schema(example = "accepted")]
    pub status: String,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Code, parse};

    fn request(more: &str) -> Result<PublishRequest, Problem> {
        parse(
            format!(r#"{{"event_type":"sample.created","source_service":"lab","payload":{{"b":1}}{more}}}"#)
                .as_bytes(),
        )
    }

    fn event(more: &str) -> Result<(StreamId, NewEvent), Problem> {
        request(more)?.into_event(|| Uuid::from_u128(1))
    }

    #[test]
    fn the_subject_is_the_stream_when_it_can_be() {
        for (more, stream) in [
            (r#","subject":"sample-42""#, "sample-42"),
            (r#","subject":"no stream""#, "events-sample.created"),
            (r#","subject":null"#, "events-sample.created"),
            ("", "events-sample.created"),
        ] {
            assert_eq!(event(more).expect("legal").0.as_str(), stream);
        }
    }

    #[test]
    fn an_explicit_null_equals_absence() {
        let all = r#","version":null,"subject":null,"priority":null,"correlation_id":null,"event_id":null,"metadata":null,"durability":null"#;
        assert_eq!(event(all).expect("legal"), event("").expect("legal"));
    }

    #[test]
    fn a_version_is_a_whole_number_with_or_without_its_zero() {
        for (more, version) in
            [("", 1), (r#","version":"1.0""#, 1), (r#","version":"2""#, 2), (r#","version":"12.0""#, 12)]
        {
            assert_eq!(event(more).expect("legal").1.schema_version, version, "{more}");
        }
    }

    #[test]
    fn refuses_unknown_mistyped_and_out_of_range_fields_with_422() {
        for more in [
            r#","prio":1"#,
            r#","priority":0"#,
            r#","priority":6"#,
            r#","priority":"1""#,
            r#","subject":7"#,
            r#","version":2"#,
            r#","version":"0""#,
            r#","version":"2.1""#,
            r#","version":"+2""#,
            r#","version":"""#,
            r#","version":"4294967296""#,
            r#","correlation_id":"x""#,
            r#","durability":"maybe""#,
            r#","metadata":{"a":1}"#,
            r#","metadata":{"priority":"1"}"#,
            r#","metadata":{"occurred_at":"yesterday"}"#,
        ] {
            assert_eq!(event(more).expect_err(more).code(), Some(Code::InvalidField), "{more}");
        }
    }

    #[test]
    fn refuses_a_key_that_comes_twice_with_400() {
        for more in [r#","event_type":"x""#, r#","metadata":{"a":"1","a":"1"}"#] {
            assert_eq!(event(more).expect_err(more).code(), Some(Code::MalformedJson), "{more}");
        }
    }

    #[test]
    fn an_aggregate_type_becomes_a_category() {
        for (given, made) in
            [("BedAssignment", "bed_assignment"), ("sample", "sample"), ("ICUAlert", "icu_alert")]
        {
            assert_eq!(snake_case(given), made);
        }
    }

    #[test]
    fn an_aggregates_source_comes_from_its_metadata() {
        let body = br#"{"event_type":"SampleCreated","aggregate_id":"42","aggregate_type":"Sample","data":{},"metadata":{"source_service":"lab","user_id":"u"}}"#;
        let (stream, event) =
            parse::<AggregateEvent>(body).expect("parses").into_event(Uuid::nil()).expect("legal");
        assert_eq!(stream.as_str(), "sample-42");
        assert_eq!(event.metadata.source.as_deref(), Some("lab"));
        assert_eq!(event.metadata.user_id.as_deref(), Some("u"));
    }
}
