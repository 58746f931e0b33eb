//! The routes through the whole service, on the in-memory store.

#![allow(clippy::unwrap_used, reason = "a test that meets something else fails")]

mod aggregates;
mod aliases;
mod append;
mod bad_input;
/// Databases for tests, as the store on PostgreSQL has them.
#[allow(dead_code, reason = "each crate needs a part of it")]
#[path = "../../../gesta-postgres/tests/it/support.rs"]
mod database;
mod embed;
mod fuzz;
mod golden;
mod groups;
mod idempotence;
mod lamp;
mod log;
mod matrix;
mod on_postgres;
mod openapi;
mod processors;
mod publish;
mod quick_start;
mod restart;
mod sse;
mod streams;
mod support;
