//! The engine on the in-memory backend, through its public API.

mod aliases;
mod dead_letter_order;
mod group;
mod processor;
mod read_side;
mod support;
mod survival;
mod write_side;
mod zombie;
