//! The PostgreSQL store of Gesta: one log that many processes share.
//!
//! It is an [`EventStore`](gesta_core::EventStore) that keeps every law of that port, with any number of processes
//! appending at once. Positions are dense and in commit order because whoever numbers events holds the log's lock to the end
//! of its transaction: no sequence, no time and no rule about gaps decides anything.
//!
//! ```no_run
//! use futures_util::TryStreamExt;
//! use gesta_core::{AppendBatch, EventStore, ExpectedVersion, NewEvent, ReadStream, Tenant};
//! use gesta_postgres::{Options, PostgresStore};
//!
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let store = PostgresStore::connect("postgres://gesta@127.0.0.1/gesta", Options::default()).await?;
//! let placed = NewEvent::new("order.placed", r#"{"total":12}"#);
//! store.append(AppendBatch::to("order-7".parse()?, ExpectedVersion::NoStream, [placed])).await?;
//! let events: Vec<_> =
//!     store.read_stream(ReadStream::of(Tenant::default(), "order-7".parse()?)).try_collect().await?;
//! assert_eq!(&*events[0].event_type, "order.placed");
//! store.close().await;
//! # Ok(()) }
//! ```
//!
//! # What it promises
//!
//! | | |
//! |---|---|
//! | durability | `synced`; `buffered` where the server runs with `fsync`, `synchronous_commit` or `full_page_writes` off |
//! | batch over several streams | yes |
//! | dense position | yes, in commit order, over all processes |
//! | relaxed appends | answered when they are ordered, before the commit |
//! | rows and checkpoint in one transaction | yes |
//!
//! # The schema
//!
//! Everything is in the schema `gesta` of one database, which is one log: `events` and `log` are the truth. Only the
//! functions `gesta.append` and, for its owner, `gesta.append_recorded` write events. Migrations are numbered and run
//! when a store is connected; a schema of a newer release is refused.
//!
//! Foreign types in the public API: those of `gesta-core`.

mod append;
mod catalog;
mod checkpoints;
mod connect;
mod copy;
mod database;
mod error;
mod flight;
mod migrate;
mod options;
mod planted;
mod probe;
mod read;
mod read_model;
mod snapshots;
mod store;
mod wakeup;

pub use error::ConnectError;
pub use options::Options;
pub use read_model::ReadModels;
pub use store::{PostgresStore, StoreStatus};
