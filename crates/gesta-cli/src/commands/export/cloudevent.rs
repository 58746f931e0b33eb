//! A recorded event as a CloudEvent.

use std::borrow::Cow;

use gesta_api::Event;
use gesta_core::Metadata;
use serde::Serialize;
use serde_json::value::RawValue;

/// A CloudEvent in JSON, structured mode. What CloudEvents have no attribute for travels in extensions: names of
/// lower-case letters and digits, values that are texts or whole numbers.
#[derive(Serialize)]
pub(super) struct CloudEvent<'a> {
    specversion: &'static str,
    id: String,
    source: String,
    #[serde(rename = "type")]
    event_type: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<String>,
    time: String,
    datacontenttype: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    correlationid: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    causationid: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    userid: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    priority: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    traceparent: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tracestate: Option<String>,
    schemaversion: u32,
    gestastream: &'a str,
    /// Numbers of CloudEvents end at 2³¹, so these are texts.
    gestaversion: String,
    gestaposition: String,
    gestarecordedat: String,
    /// The caller's own metadata: one JSON object in a text.
    #[serde(skip_serializing_if = "Option::is_none")]
    gestametadata: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<Cow<'a, RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data_base64: Option<&'a str>,
}

/// The event as a CloudEvent. Its source is the program that made it, or `gesta` when that is not known; its time is
/// when it happened, or else when it was recorded.
pub(super) fn of<'a>(event: &'a Event<'_>) -> CloudEvent<'a> {
    let known = Metadata::from_json(event.metadata.get().as_bytes()).unwrap_or_default();
    let others = (!known.other.is_empty()).then(|| serde_json::to_string(&known.other).unwrap_or_default());
    CloudEvent {
        specversion: "1.0",
        id: event.id.to_string(),
        source: known.source.clone().unwrap_or_else(|| "gesta".into()),
        event_type: &event.event_type,
        subject: known.subject.clone(),
        time: known.occurred_at.unwrap_or(event.recorded_at).to_string(),
        datacontenttype: &event.content_type,
        correlationid: known.correlation_id.clone(),
        causationid: known.causation_id.clone(),
        userid: known.user_id.clone(),
        priority: known.priority.map(gesta_core::Priority::get),
        traceparent: known.traceparent.clone(),
        tracestate: known.tracestate.clone(),
        schemaversion: event.schema_version,
        gestastream: event.stream.as_str(),
        gestaversion: event.version.to_string(),
        gestaposition: event.position.to_string(),
        gestarecordedat: event.recorded_at.to_string(),
        gestametadata: others,
        data: event.data.as_deref().map(Cow::Borrowed),
        data_base64: event.data_base64.as_deref(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::import::cloudevents;
    use gesta_core::{Position, RecordedEvent, Tenant, Timestamp, Version};

    #[test]
    fn an_exported_cloudevent_imports_as_the_event_it_was() {
        let metadata = r#"{"correlation_id":"c","source":"lab","subject":"sample-1","priority":2,"occurred_at":"2026-01-31T08:30:00.000000Z","n":[1],"note":"x"}"#;
        let recorded = RecordedEvent {
            id: uuid::Uuid::from_u128(7),
            tenant: Tenant::default(),
            stream: "sample-1".parse().expect("legal"),
            version: Version::new(3),
            position: Position::new(9),
            event_type: "sample.created".into(),
            schema_version: 2,
            content_type: "application/json".into(),
            recorded_at: Timestamp::from_micros(1_000_000),
            metadata: metadata.as_bytes().into(),
            data: r#"{"b":1.50}"#.into(),
        };
        let line = serde_json::to_string(&of(&Event::from(&recorded))).expect("serializes");
        let mut read = cloudevents::candidates(std::io::Cursor::new(line), None).expect("readable");
        let made = read.next().expect("one event").expect("legal");
        assert_eq!((made.event.id, made.stream.as_str()), (recorded.id, "sample-1"));
        assert_eq!((made.event.schema_version, &made.event.data), (2, &recorded.data));
        assert_eq!(str::from_utf8(&made.event.metadata.to_json()).expect("text"), metadata);
    }
}
