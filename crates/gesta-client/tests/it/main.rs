//! The client against live servers.

mod application;
mod consumer;
/// Databases for tests, as the store on PostgreSQL has them.
#[allow(dead_code, reason = "each crate needs a part of it")]
#[path = "../../../gesta-postgres/tests/it/support.rs"]
mod database;
mod event_service;
mod examples;
mod faults;
mod laws;
mod served;
mod subscription;
