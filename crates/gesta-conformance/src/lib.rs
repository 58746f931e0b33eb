//! The laws every store runs, and random histories against a model.
//!
//! A backend shows itself through [`Backend`] and gets one test for each law from [`conformance!`]; the in-memory
//! store, the file store and the client over HTTP all run the same ones. [`model`] plays random histories side by
//! side with a list, [`lin_append`](lin_append::lin_append) lets clients race, hang up and retry, [`history`] judges
//! what they saw, [`fault_proxy`] breaks connections on purpose, [`around`] stands between a port and
//! its caller. It is for tests only, knows no backend but the
//! in-memory one, and panics where a law is broken.
//!
//! ```
//! # mod laws {
//! use gesta_conformance::{MemoryBackend, conformance};
//! async fn memory() -> MemoryBackend {
//!     MemoryBackend::default()
//! }
//! conformance!(memory);
//! # }
//! ```

pub mod around;
mod backend;
pub mod checkpoints;
mod conformance;
pub mod copies;
mod dice;
pub mod fault_proxy;
mod given;
pub mod history;
pub mod laws;
pub mod lin_append;
pub mod model;
pub mod read_models;
pub mod snapshots;

pub use backend::{Backend, MemoryBackend};
pub use dice::Dice;
pub use given::run;
