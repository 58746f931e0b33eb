//! The store against a real server.

mod laws;
mod refused;
mod support;
