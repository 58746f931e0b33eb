//! The Rust client of Gesta: the event service, the event store and groups over HTTP and SSE.
//!
//! It is no server and embeds no store; see `gesta-server` and `gesta-file`. It speaks plain HTTP to a server on this
//! machine or behind a proxy that adds TLS, never follows a redirect and prints no key.
//!
//! ```
//! use gesta_client::{Client, EventServiceClient};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // Nothing listens on port 1: the error says so, and what to do.
//! let events = EventServiceClient::of(Client::new("http://127.0.0.1:1")?, "sample-service");
//! assert!(!events.health_check().await);
//! let error = events.publish("sample.created", &serde_json::json!({"test": "data"})).await.unwrap_err();
//! assert!(error.is_transient() && error.to_string().contains("gesta serve"));
//! # Ok(()) }
//! ```
//!
//! Foreign types in the public API: `bytes::Bytes`, `http::StatusCode`, `uuid::Uuid`, `futures_core::Stream` and
//! serde's traits; wire types are those of `gesta-api`.

mod aggregates;
mod client;
mod consumer;
mod error;
mod event_service;
mod group;
mod key;
mod processors;
mod retry;
mod sse;
mod store;
mod subscription;

pub use aggregates::Aggregates;
pub use client::{Client, InvalidUrl};
pub use consumer::{Consumed, Delivered, Failure, GroupConsumer};
pub use error::{Error, Refusal};
pub use event_service::EventServiceClient;
pub use group::Group;
pub use key::{ApiKey, InvalidKey};
pub use processors::Processors;
pub use store::HttpStore;
pub use subscription::Subscription;
