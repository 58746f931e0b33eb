//! The engine of Gesta: decide what happens, follow a log, run handlers over it, share its events among consumers.
//!
//! - [`Aggregate`] and [`Repository`]: commands become events, once each; `docs/first-domain.md` writes a first one.
//! - [`scenario`]: the rules of an aggregate as tests, without a runtime.
//! - [`Subscription`]: the events of a log as one endless sequence of batches, catching up and live in one code path.
//! - [`Processor`]: the one loop. It runs an [`EventHandler`](gesta_core::EventHandler): batches, retries, checkpoint,
//!   takeover by another process.
//! - [`Projection`] and [`Processors`]: events become rows, exactly once; rebuilt beside the one at work; all that react in
//!   one list, to look at and to steer. [`Replay`] gives the past to a handler once more.
//! - [`Groups`]: durable competing consumers with leases, acknowledgement, retry and parking.
//!
//! It is no store and no server: everything stands on the ports of `gesta-core`, so it runs over any backend. It keeps
//! no data of its own either: decisions are events, positions are checkpoints.
//!
//! ```
//! use std::{sync::Arc, time::Duration};
//! use gesta::{GroupDefinition, Groups, Pull, Start};
//! use gesta_core::*;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let store = Arc::new(MemoryStore::new());
//! let checkpoints = Arc::new(MemoryCheckpoints::default());
//! let groups = Groups::open(store.clone(), checkpoints, Arc::new(SystemClock), "this-process".into()).await?;
//!
//! let tenant = Tenant::default();
//! let filter = Filter::of(tenant.clone()).types(["sample.*"]);
//! let definition = GroupDefinition { start: Start::Beginning, ..GroupDefinition::of(filter) };
//! groups.create(&tenant, "labels", definition).await?;
//!
//! let created = NewEvent::json("sample.created", &serde_json::json!({"barcode": "SAM-20240618-001"}))?;
//! store.append(AppendBatch::to("sample-42".parse()?, ExpectedVersion::NoStream, [created])).await?;
//!
//! let pull = Pull { consumer: "printer-1".into(), max: 10, wait: Duration::from_secs(5) };
//! let deliveries = groups.pull(&tenant, "labels", pull).await?;
//! assert_eq!((&*deliveries[0].event.event_type, deliveries[0].delivery_count), ("sample.created", 1));
//!
//! let ids: Vec<_> = deliveries.into_iter().map(|delivery| delivery.id).collect();
//! assert_eq!(groups.ack(&tenant, "labels", &ids).await?, 1);
//! groups.shutdown().await;
//! # Ok(()) }
//! ```
//!
//! Foreign types in the public API: those of `gesta-core`, `uuid::Uuid`, serde's traits, and `Value` and `Error` of
//! `serde_json`.

// The derived code names this crate.
extern crate self as gesta;

pub mod aggregate;
pub mod command;
mod elapsed;
pub mod event;
mod group;
pub mod history;
mod lease;
mod patient;
mod planted;
mod processor;
mod processors;
mod projection;
mod replay;
pub mod repository;
pub mod scenario;
pub mod snapshot;
mod subscription;
mod unreadable;
pub mod upcast;

pub use aggregate::{Aggregate, Aggregates, Context, Rejection};
pub use command::Command;
pub use event::Event;
pub use group::{
    Delivery, DeliveryId, GroupConsumer, GroupDefinition, GroupError, GroupInfo, GroupStatistics, Groups,
    GroupsOptions, Nack, Parked, Pull, Selection, Start,
};
pub use processor::{
    OnFailure, Processor, ProcessorHandle, ProcessorOptions, ProcessorState, ProcessorStatus,
};
pub use processors::{
    CarriedCheckpoints, DeadLetter, DeadLetterStatistics, DeadLettersOfType, Following, ProcessorInfo,
    ProcessorKind, Processors, ProcessorsError, RebuildProgress, WaitError,
};
pub use projection::{Page, PageRequest, Projection, ProjectionError, Rows, Table};
pub use replay::{Replay, ReplayError, ReplayHandle, ReplayProgress};
pub use repository::Repository;
pub use subscription::{Batch, Subscription};
