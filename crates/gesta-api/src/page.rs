//! Pages of events and streams.

use gesta_core::{Capabilities, DurabilityClass, Incarnation, Position, StreamId, StreamInfo, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::Event;

/// A page of one stream.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct StreamPage<'a> {
    /// The stream.
    #[schema(value_type = String)]
    pub stream: StreamId,
    /// The stream's version, which may lie beyond this page; also the `ETag`.
    pub version: u64,
    /// The events, in the direction asked for.
    pub events: Vec<Event<'a>>,
    /// The `after` of the next page (read backwards: its `up_to`); `null` on the last one.
    pub next: Option<u64>,
}

/// How far a stream goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StreamHead {
    /// The stream.
    #[schema(value_type = String)]
    pub stream: StreamId,
    /// Its version: the number of its events.
    pub version: u64,
    /// The position of its last event.
    pub last_position: u64,
    /// When its last event was recorded.
    #[schema(value_type = String, format = DateTime)]
    pub last_recorded_at: Timestamp,
}

/// A page of streams, by name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StreamsPage {
    /// The streams.
    pub streams: Vec<StreamSummary>,
    /// The `after` of the next page; `null` on the last one.
    pub next: Option<String>,
}

/// A stream and how far it goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StreamSummary {
    /// The stream.
    #[schema(value_type = String)]
    pub stream: StreamId,
    /// Its version: the number of its events.
    pub version: u64,
    /// The position of its last event.
    pub last_position: u64,
}

impl From<StreamInfo> for StreamSummary {
    fn from(info: StreamInfo) -> Self {
        Self { stream: info.stream, version: info.version.get(), last_position: info.last_position.get() }
    }
}

impl From<StreamSummary> for StreamInfo {
    fn from(summary: StreamSummary) -> Self {
        Self {
            stream: summary.stream,
            version: gesta_core::Version::new(summary.version),
            last_position: Position::new(summary.last_position),
        }
    }
}

/// A page of the log.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct LogPage<'a> {
    /// The events, in the direction asked for.
    pub events: Vec<Event<'a>>,
    /// The `after` of the next page; `null` when everything in the bounds was seen. A page may be short, even
    /// empty, and have a next one: a search stops after a bounded time.
    pub next: Option<String>,
    /// The highest readable position.
    pub head: u64,
    /// Where to go on later, whether or not there is a next page now.
    pub cursor: String,
}

/// What a log is, and how far it goes.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct LogInfo {
    /// The life of the log: another one after a restore.
    #[schema(value_type = Uuid)]
    pub incarnation: Incarnation,
    /// The highest readable position.
    pub position: u64,
    /// The cursor that stands there.
    pub cursor: String,
    /// What the store keeps of the laws.
    #[schema(value_type = CapabilitiesSchema)]
    pub capabilities: Capabilities,
}

/// The shape of [`Capabilities`], for the document only.
#[derive(ToSchema)]
#[schema(as = Capabilities)]
#[allow(dead_code, reason = "describes a type of a crate that knows no OpenAPI")]
struct CapabilitiesSchema {
    /// What an acknowledgement survives: `volatile`, `buffered`, `synced` or `replicated`.
    #[schema(value_type = String)]
    durability: DurabilityClass,
    /// Whether one batch may name several streams.
    multi_stream: bool,
    /// Whether positions are dense over the whole log.
    dense_positions: bool,
    /// Whether an append may be acknowledged before it is durable.
    relaxed: bool,
}
