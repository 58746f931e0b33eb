//! What the business decides, without a store, a clock or a network.
//!
//! A file holds one aggregate: its commands, its events, its state and why it refuses.

pub mod customer;
pub mod order;
