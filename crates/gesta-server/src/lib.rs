//! Under construction.

mod accept;
pub mod auth;
pub mod config;
mod cors;
pub mod cursor;
mod gate;
pub mod health;
mod intake;
pub mod quota;
mod refusal;
mod rim;
pub mod telemetry;

pub use accept::Peer;
pub use config::{Config, ConfigError, Setting};
pub use gate::Gate;
