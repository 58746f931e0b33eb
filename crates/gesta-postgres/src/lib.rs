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
//! # How an append gets in
//!
//! Appends of one process that wait at the same time go out as a *group*, which is one transaction:
//!
//! 1. Each batch is decided here, in order, by the same rules as on every other store, on what its caller believes: a stream
//!    with `Exact(4)` is taken to stand at 4, one with `NoStream` at 0, one with `Any` wherever it is.
//! 2. `gesta.append` takes the log's lock, compares the beliefs with the table, sees that no id is known, numbers and inserts
//!    the events, and notifies once. This is one way to the server and back.
//! 3. If a belief is wrong or an id is known, nothing was inserted. Then streams and ids are looked up under the lock, the group
//!    is decided again on what was found, and appended in the same transaction.
//! 4. Callers are answered after the commit. So are those who are refused: their refusal may stand on what the group added.
//!    Whoever wanted no more than an order (`relaxed`) is answered before the commit.
//!
//! A commit whose outcome is not heard is settled by sending the group again: ids that are known are not appended a second
//! time. When that does not work out in [`Options::append_timeout`] the answer is
//! [`AppendError::Unknown`](gesta_core::AppendError::Unknown), and the caller may send it again.
//!
//! # How an event gets out
//!
//! A read takes pages, each a short read-only transaction that says whose events it reads: row-level security lets through no
//! others. A filter that no index serves looks at stretches of the log, longer ones while little is found, so that no statement
//! takes long. Notifications shorten the wait of whoever follows the log; a look at the head stands behind them, so a pooler
//! that swallows them costs time and no event.
//!
//! # Connections
//!
//! One connection appends, one listens, and up to [`Options::connections`] serve everything else. All statements are unnamed
//! and all settings belong to a transaction, so a pooler that hands connections out by the transaction may stand between. Over a
//! network connections are encrypted and the server's certificate is checked, unless the address says `sslmode=disable`.
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
mod shared;
mod snapshots;
mod store;
mod wakeup;

pub use error::ConnectError;
pub use options::Options;
pub use read_model::ReadModels;
pub use store::{PostgresStore, StoreStatus};
