//! The engine through its public API: on the in-memory backend, and its read models on every store that has them.

mod aliases;
/// Databases for tests, as the store on PostgreSQL has them.
#[allow(dead_code, reason = "each crate needs a part of it")]
#[path = "../../../gesta-postgres/tests/it/support.rs"]
mod database;
mod dead_letter_decisions;
mod dead_letter_order;
mod dead_letter_truth;
mod elsewhere;
mod group;
mod late_parking;
mod processor;
mod read_side;
mod support;
mod survival;
mod write_side;
mod zombie;
