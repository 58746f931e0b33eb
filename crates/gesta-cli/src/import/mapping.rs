//! What becomes of a row: its stream, its type, its time, its id and its data.

use gesta_core::{AppendBatch, ExpectedVersion, Metadata, NewEvent, StreamId, Timestamp};
use serde_json::value::RawValue;
use uuid::Uuid;

use super::{
    row::{Column, Refused, Row},
    template::Template,
};

/// The namespace of ids made from imported rows. Never changes: a changed one would import everything twice.
const NAMESPACE: Uuid = Uuid::from_u128(0x67c9_1f0e_5d0f_5d3e_8c1b_6765_7374_6121);

/// What becomes of a row.
#[derive(Debug, Clone)]
pub(crate) struct Mapping {
    /// Where the rows are from: part of every id, and the events' `source`.
    pub(crate) source: String,
    /// The stream.
    pub(crate) stream: Template,
    /// The event type.
    pub(crate) event_type: Template,
    /// What tells one row from another; the whole row with its line when absent.
    pub(crate) id: Option<Template>,
    /// What the event is about.
    pub(crate) subject: Option<Template>,
    /// The column that says when it happened.
    pub(crate) occurred_at: Option<String>,
    /// The zone of times that name none.
    pub(crate) zone: Option<jiff::tz::TimeZone>,
    /// Which columns become the data.
    pub(crate) columns: Columns,
}

/// Which columns become an event's data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Columns {
    /// All of them.
    All,
    /// Only these.
    Take(Vec<String>),
    /// All but these.
    Drop(Vec<String>),
}

/// A row on its way into the log.
#[derive(Debug, Clone)]
pub(crate) struct Candidate {
    /// The line it began on.
    pub(crate) line: u64,
    /// Where in the file it ended, in bytes.
    pub(crate) end: u64,
    /// Its stream.
    pub(crate) stream: StreamId,
    /// The event.
    pub(crate) event: NewEvent,
}

impl Candidate {
    /// Refuses what no server would take, while the line is still known.
    pub(crate) fn checked(self) -> Result<Self, Refused> {
        AppendBatch::to(self.stream.clone(), ExpectedVersion::Any, [self.event.clone()])
            .validate()
            .map_err(|invalid| Refused::new(self.line, invalid))?;
        Ok(self)
    }
}

impl Mapping {
    /// The columns that name things, and are therefore kept as text whatever they look like.
    pub(crate) fn names(&self) -> Vec<String> {
        let id = self.id.iter().flat_map(Template::columns);
        self.stream.columns().chain(id).map(str::to_owned).collect()
    }

    /// The columns it speaks of that a file does not have.
    pub(crate) fn missing(&self, header: &[String]) -> Vec<String> {
        let mut spoken = self.names();
        let subject = self.subject.iter().flat_map(Template::columns);
        spoken.extend(self.event_type.columns().chain(subject).map(str::to_owned));
        spoken.extend(self.occurred_at.clone());
        if let Columns::Take(names) | Columns::Drop(names) = &self.columns {
            spoken.extend(names.iter().cloned());
        }
        spoken.retain(|name| !header.contains(name));
        spoken
    }

    /// The event that a row is.
    pub(crate) fn candidate(&self, row: &Row) -> Result<Candidate, Refused> {
        let refused = |reason: &dyn std::fmt::Display| Refused::new(row.line, reason);
        let fill = |template: &Template| template.fill(|name| row.text(name)).map_err(|e| refused(&e));
        let stream = fill(&self.stream)?.parse().map_err(|e| refused(&e))?;
        let metadata = Metadata {
            source: Some(self.source.clone()),
            subject: self.subject.as_ref().map(fill).transpose()?,
            occurred_at: self.occurred_at(row)?,
            ..Metadata::default()
        };
        let id = match &self.id {
            Some(template) => named_id(&self.source, &fill(template)?),
            None => self.row_id(row),
        };
        let event =
            NewEvent::new(fill(&self.event_type)?, self.data(row)).with_id(id).with_metadata(metadata);
        Candidate { line: row.line, end: row.end, stream, event }.checked()
    }

    fn occurred_at(&self, row: &Row) -> Result<Option<Timestamp>, Refused> {
        let Some(text) = self.occurred_at.as_deref().and_then(|column| row.text(column)) else {
            return Ok(None);
        };
        time(text, self.zone.as_ref()).map(Some).map_err(|reason| Refused::new(row.line, reason))
    }

    fn row_id(&self, row: &Row) -> Uuid {
        let mut content = format!("{}\n", row.line);
        for Column { name, text, .. } in &row.columns {
            // Lengths keep two different rows from looking alike.
            content += &format!("{}:{name}{}:{text}", name.len(), text.len());
        }
        named_id(&self.source, &content)
    }

    fn data(&self, row: &Row) -> Vec<u8> {
        let kept = row.columns.iter().filter(|column| self.columns.keeps(&column.name));
        object(kept.map(|column| (column.name.as_str(), &*column.json)))
    }
}

impl Columns {
    fn keeps(&self, name: &str) -> bool {
        match self {
            Self::All => true,
            Self::Take(names) => names.iter().any(|kept| kept == name),
            Self::Drop(names) => !names.iter().any(|dropped| dropped == name),
        }
    }
}

/// The id of what `source` calls by this name.
pub(crate) fn named_id(source: &str, name: &str) -> Uuid {
    Uuid::new_v5(&NAMESPACE, format!("{}:{source}{name}", source.len()).as_bytes())
}

/// A JSON object of raw values, in this order.
fn object<'a>(members: impl Iterator<Item = (&'a str, &'a RawValue)>) -> Vec<u8> {
    let mut json = String::from("{");
    for (name, value) in members {
        if json.len() > 1 {
            json.push(',');
        }
        json += &serde_json::to_string(name).expect("text always serializes");
        json.push(':');
        json += value.get();
    }
    json.push('}');
    json.into_bytes()
}

/// A time with its offset, or a local one where a zone is given. A bare local time is refused, not guessed at.
fn time(text: &str, zone: Option<&jiff::tz::TimeZone>) -> Result<Timestamp, String> {
    if let Ok(time) = text.parse() {
        return Ok(time);
    }
    let local: jiff::civil::DateTime =
        text.parse().map_err(|_| format!("{text:?} is no time: write it as 2026-01-31T08:30:00Z"))?;
    let zone = zone.ok_or_else(|| format!("{text:?} names no offset: say --zone UTC, or another zone"))?;
    let time = local
        .to_zoned(zone.clone())
        .map_err(|_| format!("{text:?} does not exist in that zone"))?
        .timestamp();
    Ok(Timestamp::from_micros(time.as_microsecond()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::import::cell::typed;

    fn mapping() -> Mapping {
        Mapping {
            source: "ward.csv".into(),
            stream: "case-{case_id}".parse().expect("a template"),
            event_type: "{activity}".parse().expect("a template"),
            id: None,
            subject: None,
            occurred_at: Some("at".into()),
            zone: None,
            columns: Columns::Drop(vec!["activity".into()]),
        }
    }

    fn row(line: u64, cells: &[(&str, &str)]) -> Row {
        let column = |(name, text): &(&str, &str)| Column {
            name: (*name).into(),
            text: (*text).into(),
            json: typed(text),
        };
        Row { line, end: 0, columns: cells.iter().map(column).collect() }
    }

    #[test]
    fn a_row_becomes_an_event() {
        let cells =
            [("case_id", "A"), ("activity", "CRP"), ("at", "2014-10-22T13:15:41+02:00"), ("crp", "16.0")];
        let made = mapping().candidate(&row(2, &cells)).expect("an event");
        assert_eq!((made.stream.as_str(), &*made.event.event_type), ("case-A", "CRP"));
        assert_eq!(
            str::from_utf8(&made.event.data).expect("text"),
            r#"{"case_id":"A","at":"2014-10-22T13:15:41+02:00","crp":16.0}"#
        );
        let occurred_at = made.event.metadata.occurred_at.map(|time| time.to_string());
        assert_eq!(occurred_at.as_deref(), Some("2014-10-22T11:15:41.000000Z"));
    }

    #[test]
    fn the_same_row_has_the_same_id_and_another_line_source_or_cell_another_one() {
        let id = |mapping: &Mapping, line, crp| {
            let cells = [("case_id", "A"), ("activity", "CRP"), ("crp", crp)];
            mapping.candidate(&row(line, &cells)).expect("an event").event.id
        };
        let other_source = Mapping { source: "other.csv".into(), ..mapping() };
        let first = id(&mapping(), 2, "16");
        assert_eq!(first, id(&mapping(), 2, "16"));
        for other in [id(&mapping(), 3, "16"), id(&mapping(), 2, "17"), id(&other_source, 2, "16")] {
            assert_ne!(first, other);
        }
    }

    #[test]
    fn an_id_template_makes_the_line_irrelevant() {
        let mapping = Mapping { id: Some("{case_id}/{n}".parse().expect("a template")), ..mapping() };
        let id = |line| {
            let cells = [("case_id", "A"), ("activity", "CRP"), ("n", "1")];
            mapping.candidate(&row(line, &cells)).expect("an event").event.id
        };
        assert_eq!(id(2), id(9));
    }

    #[test]
    fn a_local_time_needs_a_zone() {
        let berlin = jiff::tz::TimeZone::get("Europe/Berlin").expect("a zone");
        assert!(time("2017-10-02 10:56:33", None).expect_err("no offset").contains("--zone"));
        let time = time("2017-10-02 10:56:33", Some(&berlin)).expect("a time");
        assert_eq!(time.to_string(), "2017-10-02T08:56:33.000000Z");
    }

    #[test]
    fn what_no_server_would_take_is_refused_with_its_line() {
        let cells = [("case_id", "A/B"), ("activity", "CRP")];
        let refused = mapping().candidate(&row(7, &cells)).expect_err("an illegal stream");
        assert!(refused.line == 7 && refused.reason.contains("illegal stream id"), "{refused:?}");
    }
}
