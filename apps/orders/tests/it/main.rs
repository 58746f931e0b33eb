//! The application through its public API: rules without a runtime, the rest through `app()` and the binary.

mod access;
mod customer_routes;
mod customer_rules;
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
