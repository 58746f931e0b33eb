//! The store against a real server.

mod cluster;
mod gapless;
mod laws;
mod refused;
mod state;
mod support;
