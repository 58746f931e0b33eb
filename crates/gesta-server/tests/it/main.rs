//! The routes through the whole service, on the in-memory store.

#![allow(clippy::unwrap_used, reason = "a test that meets something else fails")]

mod aggregates;
mod aliases;
mod append;
mod bad_input;
mod embed;
mod fuzz;
mod golden;
mod groups;
mod idempotence;
mod lamp;
mod log;
mod matrix;
mod openapi;
mod processors;
mod publish;
mod quick_start;
mod restart;
mod sse;
mod streams;
mod support;
