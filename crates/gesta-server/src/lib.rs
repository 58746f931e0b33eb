//! The HTTP server of Gesta: event service, event store and groups over one log, for every tenant.
//!
//! It is no store and no engine: it speaks for `gesta-file` (or any other backend) and `gesta` to whoever speaks HTTP.
//! The rim (accept loop, limits, keys, metrics) knows no route, and the routes know no socket.
//!
//! ```
//! use axum::{body::Body, http::Request};
//! use gesta_server::{Backend, Config, service};
//! use tower::ServiceExt;
//!
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let service = service(Backend::memory(), Config::default()).await?;
//! let publish = Request::post("/api/v1/events/publish")
//!     .header("host", "127.0.0.1")
//!     .header("content-type", "application/json")
//!     .body(Body::from(r#"{"event_type":"sample.created","source_service":"test","payload":{"test":"data"}}"#))?;
//! assert_eq!(service.oneshot(publish).await?.status(), 200);
//! # Ok(()) }
//! ```
//!
//! Foreign types in the public API: `axum::Router`, `tokio`'s listener and `utoipa`'s document.

mod accept;
mod added;
mod app;
pub mod auth;
mod backend;
pub mod config;
mod cors;
mod counters;
pub mod cursor;
mod embed;
mod error;
pub mod extract;
mod forward;
mod gate;
mod health;
mod intake;
mod listen;
pub mod openapi;
mod opening;
mod owner;
mod problem;
mod quota;
mod replay;
mod rim;
mod roles;
mod router;
mod routes;
mod run;
mod runners;
mod shared;
mod sse;
mod start;
mod subscriptions;
pub mod telemetry;

pub use accept::Peer;
pub use added::Part;
pub use backend::Backend;
pub use config::{Config, ConfigError, Setting};
pub use embed::Server;
pub use error::ServeError;
pub use problem::Failure;
pub use rim::{Rim, Serving};
pub use roles::Roles;
pub use routes::{declared, document};
pub use run::{Report, Running};
pub use start::{open, open_on, service, start, start_on};
