//! The engine on the in-memory backend, through its public API.

mod group;
mod processor;
mod support;
mod survival;
