//! CloudEvents in JSON: one event, a batch array, or one event a line.

use std::{io::BufRead, str::FromStr};

use base64::{Engine, engine::general_purpose::STANDARD};
use gesta_core::{Metadata, NewEvent, Priority, StreamId};
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use uuid::Uuid;

use super::{
    Candidate, Candidates, Refused, Template, Trouble,
    lines::{self, Line, Lines},
    mapping::named_id,
    row::{Column, Row},
};

/// Attributes that become fields of the event; whatever else a CloudEvent carries becomes metadata.
const FIELDS: [&str; 16] = [
    "specversion",
    "id",
    "type",
    "source",
    "subject",
    "time",
    "datacontenttype",
    "data",
    "data_base64",
    "traceparent",
    "tracestate",
    "correlationid",
    "causationid",
    "userid",
    "priority",
    "gestastream",
];

/// The CloudEvents of a file. A file that begins with `[` is a batch and is read whole.
///
/// `stream` is filled from the attributes and, as `data.name`, from the members of the data; without it the
/// attribute `gestastream`, which `gesta export` writes, names the stream.
pub(crate) fn candidates(
    mut input: impl BufRead + Send + 'static,
    stream: Option<Template>,
) -> Result<Candidates, Trouble> {
    let unreadable = |error: &dyn std::fmt::Display| Trouble::File(error.to_string());
    let begins = input.fill_buf().map_err(|error| unreadable(&error))?;
    if begins.trim_ascii_start().first() != Some(&b'[') {
        return Ok(Box::new(Lines::new(input).map(move |line| Ok(candidate(&line?, stream.as_ref())?))));
    }
    let batch: Vec<Box<RawValue>> = serde_json::from_reader(input).map_err(|error| unreadable(&error))?;
    let lines = batch.into_iter().zip(1..).map(|(json, number)| {
        let bytes: Vec<u8> = json.get().into();
        Line { number, end: 0, bytes }
    });
    Ok(Box::new(lines.map(move |line| Ok(candidate(&line, stream.as_ref())?))))
}

fn candidate(line: &Line, stream: Option<&Template>) -> Result<Candidate, Refused> {
    let event = Attributes(lines::row(line)?);
    event.refuse(event.0.text("specversion") != Some("1.0"), "it is no CloudEvent of specversion 1.0")?;
    let source = event.required("source")?;
    let stream = event.stream(stream)?;
    let made = NewEvent {
        id: event.id(source)?,
        event_type: event.required("type")?.into(),
        schema_version: event.parsed("schemaversion")?.unwrap_or(1),
        content_type: event.0.text("datacontenttype").unwrap_or("application/json").into(),
        data: event.data()?.into(),
        metadata: event.metadata(source)?,
    };
    Candidate { line: line.number, end: line.end, stream, event: made }.checked()
}

/// The attributes of one CloudEvent.
struct Attributes(Row);

impl Attributes {
    fn refused(&self, reason: impl std::fmt::Display) -> Refused {
        Refused::new(self.0.line, reason)
    }

    fn refuse(&self, wrong: bool, reason: &str) -> Result<(), Refused> {
        if wrong { Err(self.refused(reason)) } else { Ok(()) }
    }

    fn required(&self, name: &str) -> Result<&str, Refused> {
        let text = self.0.text(name).filter(|text| !text.is_empty());
        text.ok_or_else(|| self.refused(format!("attribute {name:?} is missing")))
    }

    fn parsed<T: FromStr>(&self, name: &str) -> Result<Option<T>, Refused> {
        let parse = |text: &str| text.parse().map_err(|_| self.illegal(name));
        self.0.text(name).map(parse).transpose()
    }

    fn illegal(&self, name: &str) -> Refused {
        self.refused(format!("attribute {name:?} is illegal"))
    }

    fn text(&self, name: &str) -> Option<String> {
        self.0.text(name).map(str::to_owned)
    }

    /// A UUID is kept; any other id is unique within its source only, so one is made from both.
    fn id(&self, source: &str) -> Result<Uuid, Refused> {
        let id = self.required("id")?;
        Ok(id.parse().unwrap_or_else(|_| named_id(source, id)))
    }

    fn stream(&self, template: Option<&Template>) -> Result<StreamId, Refused> {
        let Some(template) = template else {
            let text = self.0.text("gestastream").ok_or_else(|| {
                self.refused("no stream: say --stream with a template such as 'case-{subject}'")
            })?;
            return text.parse().map_err(|error| self.refused(error));
        };
        let data = self.data_members();
        let value = |name| match str::strip_prefix(name, "data.") {
            Some(member) => data.iter().find(|c| c.name == member).map(|c| c.text.as_str()),
            None => self.0.text(name),
        };
        template.fill(value).map_err(|e| self.refused(e))?.parse().map_err(|e| self.refused(e))
    }

    fn data_members(&self) -> Vec<Column> {
        let data = self.0.columns.iter().find(|column| column.name == "data");
        data.and_then(|column| lines::columns(column.json.get().as_bytes()).ok()).unwrap_or_default()
    }

    fn data(&self) -> Result<Vec<u8>, Refused> {
        let raw = |name| self.0.columns.iter().find(|column| column.name == name);
        match (raw("data"), raw("data_base64")) {
            (Some(_), Some(_)) => Err(self.refused("it has both data and data_base64")),
            (None, Some(column)) => STANDARD.decode(&column.text).map_err(|_| self.illegal("data_base64")),
            // Text of another media type is carried as a JSON string; the event holds the text itself.
            (Some(column), None) if !self.is_json() => Ok(column.text.clone().into_bytes()),
            (Some(column), None) => Ok(column.json.get().into()),
            (None, None) => Ok(b"null".to_vec()),
        }
    }

    fn is_json(&self) -> bool {
        let media = self.0.text("datacontenttype").unwrap_or("application/json");
        let essence = media.split(';').next().unwrap_or_default().trim();
        essence.ends_with("/json") || essence.ends_with("+json")
    }

    fn metadata(&self, source: &str) -> Result<Metadata, Refused> {
        let priority = self.parsed::<u8>("priority")?;
        let metadata = Metadata {
            correlation_id: self.text("correlationid"),
            causation_id: self.text("causationid"),
            user_id: self.text("userid"),
            source: Some(source.to_owned()),
            subject: self.text("subject"),
            priority: priority
                .map(|level| Priority::new(level).ok_or_else(|| self.illegal("priority")))
                .transpose()?,
            occurred_at: self.parsed("time")?,
            traceparent: self.text("traceparent"),
            tracestate: self.text("tracestate"),
            other: self.others()?,
        };
        Ok(metadata)
    }

    /// Extension attributes, and the caller's own metadata as `gesta export` packs it.
    fn others(&self) -> Result<std::collections::BTreeMap<String, Box<RawValue>>, Refused> {
        let is_other =
            |name: &str| !FIELDS.contains(&name) && !name.starts_with("gesta") && name != "schemaversion";
        let mut others: std::collections::BTreeMap<_, _> = self
            .0
            .columns
            .iter()
            .filter(|column| is_other(&column.name))
            .map(|column| (column.name.clone(), column.json.clone()))
            .collect();
        if let Some(packed) = self.0.text("gestametadata") {
            others.extend(
                json::<std::collections::BTreeMap<String, Box<RawValue>>>(packed)
                    .ok_or_else(|| self.illegal("gestametadata"))?,
            );
        }
        Ok(others)
    }
}

fn json<T: DeserializeOwned>(text: &str) -> Option<T> {
    serde_json::from_str(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, stream: Option<&str>) -> Vec<Result<Candidate, Trouble>> {
        let stream = stream.map(|text| text.parse().expect("a template"));
        candidates(std::io::Cursor::new(text.to_owned()), stream).expect("readable").collect()
    }

    const EVENT: &str = r#"{"specversion":"1.0","id":"17","source":"/ward","type":"crp.measured","subject":"p9","time":"2026-01-31T08:30:00Z","ward":"north","data":{"patient":"p9","crp":16.0}}"#;

    #[test]
    fn attributes_become_fields_and_extensions_metadata() {
        let read = read(EVENT, Some("patient-{data.patient}"));
        let [Ok(made)] = &read[..] else { panic!("one event: {read:?}") };
        assert_eq!((made.stream.as_str(), &*made.event.event_type), ("patient-p9", "crp.measured"));
        assert_eq!(&made.event.data[..], br#"{"patient":"p9","crp":16.0}"#);
        assert_eq!(made.event.metadata.text("ward").as_deref(), Some("north"));
        assert_eq!(made.event.metadata.source.as_deref(), Some("/ward"));
    }

    #[test]
    fn a_batch_and_lines_hold_the_same_events() {
        let id = |text: &str| match &read(text, Some("p-{subject}"))[..] {
            [Ok(a), Ok(_)] => a.event.id,
            other => panic!("two events: {other:?}"),
        };
        assert_eq!(id(&format!("[{EVENT},{EVENT}]")), id(&format!("{EVENT}\n{EVENT}\n")));
    }

    #[test]
    fn what_is_no_cloudevent_is_refused() {
        for bad in [r#"{"id":"1"}"#, &EVENT.replace("1.0\"", "0.3\""), &EVENT.replace("17", "")] {
            assert!(matches!(read(bad, Some("p-{subject}"))[..], [Err(Trouble::Row(_))]), "{bad}");
        }
        assert!(matches!(read(EVENT, None)[..], [Err(Trouble::Row(_))]), "no stream");
    }
}
