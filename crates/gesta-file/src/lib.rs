//! The embedded store of Gesta: one folder holds a log, an index derived from it, and the state beside it.
//!
//! It is an [`EventStore`](gesta_core::EventStore) that keeps every law of that port: an append that was answered is
//! on disk, positions are dense, and what was read once is never different. It is not a server and not shared: one
//! process has the folder at a time, on a local file system.
//!
//! ```
//! use futures_util::TryStreamExt;
//! use gesta_core::{AppendBatch, EventStore, ExpectedVersion, NewEvent, ReadStream, Tenant};
//! use gesta_file::{FileStore, Options};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let dir = tempfile::tempdir()?;
//! let store = FileStore::open(dir.path().join("gesta-data"), Options::default())?;
//! let placed = NewEvent::new("order.placed", r#"{"total":12}"#);
//! store.append(AppendBatch::to("order-7".parse()?, ExpectedVersion::NoStream, [placed])).await?;
//! store.close().await;
//!
//! let store = FileStore::open(dir.path().join("gesta-data"), Options::default())?;
//! let events: Vec<_> =
//!     store.read_stream(ReadStream::of(Tenant::default(), "order-7".parse()?)).try_collect().await?;
//! assert_eq!(&*events[0].event_type, "order.placed");
//! # Ok(()) }
//! ```
//!
//! # The folder
//!
//! | Path | What |
//! |---|---|
//! | `log/*.events` | segments, named by their first position: the only truth, `docs/format.md` has every byte |
//! | `log/*.summary` | what a full segment holds and where: derived, made anew when lost |
//! | `index/` | ids, streams and correlations to positions: derived, never synced, built anew when lost |
//! | `state.db` | checkpoints, snapshots, read models, in SQLite |
//! | `meta` | format, life of the log, how far it went at the last stop |
//!
//! # What it survives
//!
//! An append is acknowledged after the sync that covers it: it survives a kill, an OS crash and a power cut on a
//! device that honours flush (`synced`). On tmpfs, or with [`Options::without_sync`], it survives a kill only, and
//! the store says so (`buffered`). After a failed write or sync the log takes no more appends until it is opened
//! again.
//!
//! Foreign types in the public API: those of `gesta-core`.

mod append;
mod background;
mod backup;
mod checkpoints;
mod error;
mod index;
mod log;
mod options;
mod planted;
mod read;
mod read_model;
mod reader;
mod snapshots;
mod state;
mod store;
mod verify;

pub use backup::{BackupError, CopyReport, backup, restore};
pub use error::{Damage, OpenError};
pub use options::Options;
pub use read_model::read_models_in_memory;
pub use reader::FolderReader;
pub use state::StateError;
pub use store::{FileStore, StoreStatus};
pub use verify::{Finding, Progress, Report, verify};
