//! The store against a real server.

mod cluster;
mod encrypted;
mod gapless;
mod groups;
mod late_saves;
mod laws;
mod outcomes;
mod pooler;
mod read_models;
mod refused;
mod restored;
mod roles;
mod server_faults;
mod state;
mod support;
mod too_old;
mod wakeups;
