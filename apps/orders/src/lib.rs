//! Orders and customers: a reference application of Gesta, built on the public API only.
//!
//! - [`domain`]: what may happen to an order and to a customer, as pure functions.
//! - [`read_models`]: what can be asked about orders, as tables built from the events.
//! - [`http`]: the routes.
//! - [`import`](mod@import): orders of a file, at their real times.
//! - [`app`]: all of it as one server, with Gesta's own routes beside the application's.
//!
//! The tour is `docs/orders.md`.

#![allow(clippy::result_large_err, reason = "a refusal ends its request, so its size is no matter")]

mod app;
pub mod domain;
pub mod http;
pub mod import;
mod metrics;
pub mod read_models;

pub use app::{AppError, Application, app, document};
pub use metrics::Watching;
