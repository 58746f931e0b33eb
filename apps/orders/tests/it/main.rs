//! The application through its public API: rules without a runtime, the rest through `app()` and the binary.

mod access;
mod both_stores;
mod customer_routes;
mod customer_rules;
/// Databases for tests, as the store on PostgreSQL has them.
#[allow(dead_code, reason = "each crate needs a part of it")]
#[path = "../../../../crates/gesta-postgres/tests/it/support.rs"]
mod database;
mod dead_letters;
mod decided;
mod golden_run;
mod imported;
mod invariants;
mod order_routes;
mod order_rules;
mod published;
mod read_models;
mod running;
mod snapshots;
