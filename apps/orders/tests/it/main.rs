//! The application through its public API: rules without a runtime, the rest through `app()` and the binary.

mod customer_rules;
mod decided;
mod invariants;
mod order_rules;
