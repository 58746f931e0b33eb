//! Events as `gesta export` writes them: one JSON object a line, as in the API's answers.

use std::io::BufRead;

use base64::{Engine, engine::general_purpose::STANDARD};
use gesta_core::{Metadata, NewEvent, StreamId};
use serde::Deserialize;
use serde_json::value::RawValue;
use uuid::Uuid;

use super::{
    Candidate, Candidates, Refused,
    lines::{Line, Lines},
};

/// What is taken over of an exported event; its place in the other log and its time of recording are not.
#[derive(Deserialize)]
struct Exported {
    id: Uuid,
    stream: StreamId,
    #[serde(rename = "type")]
    event_type: String,
    schema_version: u32,
    content_type: String,
    #[serde(default)]
    metadata: Metadata,
    data: Option<Box<RawValue>>,
    data_base64: Option<String>,
}

/// The events of an export.
pub(crate) fn candidates(input: impl BufRead + Send + 'static) -> Candidates {
    Box::new(Lines::new(input).map(|line| Ok(candidate(&line?)?)))
}

fn candidate(line: &Line) -> Result<Candidate, Refused> {
    let refused = |reason: &dyn std::fmt::Display| Refused::new(line.number, reason);
    let exported: Exported = serde_json::from_slice(&line.bytes)
        .map_err(|error| refused(&format!("it is no exported event: {error}")))?;
    let data = match (exported.data, exported.data_base64) {
        (Some(json), None) => json.get().as_bytes().to_vec(),
        (None, Some(text)) => STANDARD.decode(text).map_err(|_| refused(&"its data_base64 is no base64"))?,
        // An explicit null is indistinguishable from an absent member here, and is data all the same.
        (None, None) => b"null".to_vec(),
        (Some(_), Some(_)) => return Err(refused(&"it has both data and data_base64")),
    };
    let event = NewEvent {
        id: exported.id,
        event_type: exported.event_type.into(),
        schema_version: exported.schema_version,
        content_type: exported.content_type.into(),
        data: data.into(),
        metadata: exported.metadata,
    };
    Candidate { line: line.number, end: line.end, stream: exported.stream, event }.checked()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exported_event_keeps_its_id_and_its_bytes() {
        let id = Uuid::from_u128(7);
        let text = format!(
            r#"{{"id":"{id}","tenant":"default","stream":"a-1","version":1,"position":9,"type":"x","schema_version":2,"content_type":"application/json","recorded_at":"2026-01-31T08:30:00.000000Z","metadata":{{"correlation_id":"c"}},"data":{{"n": 1.50}}}}"#
        );
        let made: Vec<_> = candidates(std::io::Cursor::new(text)).collect();
        let [Ok(made)] = &made[..] else { panic!("one event: {made:?}") };
        assert_eq!((made.event.id, &made.event.data[..]), (id, &br#"{"n": 1.50}"#[..]));
        assert_eq!(made.event.metadata.correlation_id.as_deref(), Some("c"));
    }
}
