//! The in-memory backend under the laws of the ports.

mod checkpoints;
mod snapshots;
mod store;
