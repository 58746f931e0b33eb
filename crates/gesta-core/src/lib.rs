//! The words, the ports and the in-memory backend of Gesta.
//!
//! This crate fixes what every other crate agrees on: what an event is, what a store promises, and how a
//! processor remembers where it stopped. It knows no database and no HTTP; see `gesta-file` for a durable
//! store and `gesta` for the engine that runs handlers.
//!
//! ```
//! use futures_util::TryStreamExt;
//! use gesta_core::{AppendBatch, EventStore, ExpectedVersion, MemoryStore, NewEvent, ReadStream, Tenant};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let store = MemoryStore::new();
//! let created = NewEvent::json("sample.created", &serde_json::json!({"barcode": "SAM-20240618-001"}))?;
//! let batch = AppendBatch::to("sample-42".parse()?, ExpectedVersion::NoStream, [created]);
//! let appended = store.append(batch).await?;
//! assert_eq!(appended.events[0].position.get(), 1);
//!
//! let read = ReadStream::of(Tenant::default(), "sample-42".parse()?);
//! let events: Vec<_> = store.read_stream(read).try_collect().await?;
//! assert_eq!(&*events[0].event_type, "sample.created");
//! # Ok(()) }
//! ```
//!
//! Foreign types in the public API: `bytes::Bytes`, `uuid::Uuid`, serde's traits and `futures_core::Stream`.

mod alias;
mod append;
mod catalog;
mod checkpoint;
mod clock;
mod copy;
mod envelope;
mod event;
mod filter;
mod handler;
pub mod limits;
mod memory;
mod metadata;
mod pattern;
mod position;
mod read;
pub mod read_model;
mod snapshot;
mod store;
mod stream_id;
mod tenant;
mod timestamp;
mod version;

pub use alias::{AliasedStore, Aliases, InvalidAliases};
pub use append::{
    AppendBatch, AppendError, Appended, AppendedEvent, Decision, Durability, Invalid, StoredView,
    StreamAppend, decide,
};
pub use catalog::{ListStreams, StreamCatalog, StreamInfo};
pub use checkpoint::{
    Checkpoint, CheckpointError, CheckpointKey, CheckpointRecord, CheckpointStore, Claim, Epoch, Holder,
};
pub use clock::{Clock, ManualClock, SystemClock};
pub use copy::{CopyError, CopyTarget, continues, validate_recorded};
pub use envelope::{
    EnvelopeDecoder, EnvelopeError, FORMAT as ENVELOPE_FORMAT, decode_envelope, encode_envelope,
    encode_recorded,
};
pub use event::{ContentType, EventType, NewEvent, RecordedEvent};
pub use filter::Filter;
pub use handler::{EventHandler, HandlerError, Saved, Turn};
pub use memory::{MemoryCheckpoints, MemorySnapshots, MemoryStore};
pub use metadata::{InvalidMetadata, Metadata, Priority};
pub use pattern::Pattern;
pub use position::{Incarnation, LogHead, Position};
pub use read::{Direction, EventStream, ReadAll, ReadError, ReadStream};
pub use snapshot::{Snapshot, SnapshotError, SnapshotStore};
pub use store::{Capabilities, DurabilityClass, EventStore, Wakeups};
pub use stream_id::{InvalidStreamId, StreamId};
pub use tenant::{InvalidTenant, Tenant};
pub use timestamp::{InvalidTimestamp, Timestamp};
pub use version::{Conflict, ExpectedVersion, Version};
