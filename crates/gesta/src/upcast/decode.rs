//! From a recorded event to a fact.

use gesta_core::{EventType, RecordedEvent, StreamId, Version};
use serde_json::Value;

use super::{Upcast, Upcasters};
use crate::{
    event::{Event, EventKind},
    unreadable::Unreadable,
};

/// An event that cannot be read as a fact of the type asked for. It is stored well; the program has to learn it.
#[derive(Debug, thiserror::Error)]
#[error(
    "event {version} of stream {stream} ({event_type}, schema version {schema_version}) cannot be read: {cause}"
)]
pub struct DecodeError {
    /// Where it is.
    pub stream: StreamId,
    /// Which event of the stream.
    pub version: Version,
    /// Its type, as stored.
    pub event_type: EventType,
    /// Its schema version, as stored.
    pub schema_version: u32,
    /// What is the matter, and what to do.
    #[source]
    pub cause: Undecodable,
}

/// Why an event cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Undecodable {
    /// No kind is called so.
    #[error("no kind of event is called so; add a variant, or make it an alias of one")]
    UnknownType,
    /// A newer program wrote it.
    #[error("this program knows versions up to {known}; run the newer program that wrote it")]
    Newer {
        /// The version this program knows.
        known: u32,
    },
    /// No upcaster understands it.
    #[error("no upcaster leads from version {from} to {}; add one to the upcasters of this reader", from + 1)]
    NoUpcaster {
        /// The version without a way on.
        from: u32,
    },
    /// An upcaster gave up.
    #[error("its upcaster says: {reason}; teach it this old shape")]
    Upcaster {
        /// What it said.
        reason: String,
    },
    /// The data is not JSON.
    #[error("its data is {content_type}; facts are read from application/json")]
    ContentType {
        /// What it is.
        content_type: String,
    },
    /// The data is JSON of another shape, or none. Only the source repeats what was found there.
    #[error(
        "{}; the type does not fit what was stored: give a new shape a new schema version and an upcaster",
        Unreadable(.0)
    )]
    Shape(#[source] serde_json::Error),
}

/// Reads a recorded event that needs no upcaster.
///
/// Fails on a type, schema version, content type or shape that `E` does not know.
pub fn decode<E: Event>(event: &RecordedEvent) -> Result<E, DecodeError> {
    Upcasters::new().decode(event)
}

impl Upcasters {
    /// Reads a recorded event in today's shape, whatever spelling and schema version it is stored under.
    ///
    /// Fails on a type `E` does not know, a schema version from the future or without a way to today, data that is no
    /// JSON, and data of another shape.
    pub fn decode<E: Event>(&self, event: &RecordedEvent) -> Result<E, DecodeError> {
        self.read(event).map_err(|cause| undecodable(event, cause))
    }

    /// The data of a recorded event as JSON in today's shape, for readers without a type for it.
    pub fn value<E: Event>(&self, event: &RecordedEvent) -> Result<Value, DecodeError> {
        let value = || match self.upcast(event, kind::<E>(event)?)? {
            Some(value) => Ok(value),
            None => serde_json::from_slice(&event.data).map_err(Undecodable::Shape),
        };
        value().map_err(|cause| undecodable(event, cause))
    }

    fn read<E: Event>(&self, event: &RecordedEvent) -> Result<E, Undecodable> {
        let kind = kind::<E>(event)?;
        match self.upcast(event, kind)? {
            None => E::decode(kind, &event.data),
            Some(value) => serde_json::to_vec(&value).and_then(|data| E::decode(kind, &data)),
        }
        .map_err(Undecodable::Shape)
    }

    /// The data in today's shape; `None` when it is stored so.
    fn upcast(&self, event: &RecordedEvent, kind: &EventKind) -> Result<Option<Value>, Undecodable> {
        if event.schema_version > kind.schema_version {
            return Err(Undecodable::Newer { known: kind.schema_version });
        }
        if !is_json(&event.content_type) {
            return Err(Undecodable::ContentType { content_type: event.content_type.to_string() });
        }
        let way = self
            .way(kind, &event.event_type, event.schema_version)
            .map_err(|from| Undecodable::NoUpcaster { from })?;
        way.map(|way| walk(&event.data, &way)).transpose()
    }
}

fn kind<E: Event>(event: &RecordedEvent) -> Result<&'static EventKind, Undecodable> {
    E::find(&event.event_type).ok_or(Undecodable::UnknownType)
}

fn walk(data: &[u8], way: &[&Upcast]) -> Result<Value, Undecodable> {
    let old: Value = serde_json::from_slice(data).map_err(Undecodable::Shape)?;
    way.iter()
        .try_fold(old, |data, upcast| upcast(data))
        .map_err(|unfit| Undecodable::Upcaster { reason: unfit.to_string() })
}

/// `application/json`, any `+json`, with or without parameters.
fn is_json(content_type: &str) -> bool {
    let media = content_type.split(';').next().unwrap_or_default().trim();
    media.eq_ignore_ascii_case("application/json") || media.ends_with("+json")
}

fn undecodable(event: &RecordedEvent, cause: Undecodable) -> DecodeError {
    DecodeError {
        stream: event.stream.clone(),
        version: event.version,
        event_type: event.event_type.clone(),
        schema_version: event.schema_version,
        cause,
    }
}
