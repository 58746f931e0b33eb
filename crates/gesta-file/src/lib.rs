//! Under construction.

// The log will use them.
#[allow(dead_code, reason = "the log will use it")]
mod checkpoints;
#[allow(dead_code, reason = "the log will use it")]
mod index;
#[allow(dead_code, reason = "the log will use it")]
mod snapshots;
#[allow(dead_code, reason = "the log will use it")]
mod state;

pub use state::StateError;
