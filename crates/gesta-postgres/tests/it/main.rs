//! The store against a real server.

mod cluster;
mod gapless;
mod laws;
mod read_models;
mod refused;
mod server_faults;
mod state;
mod support;
