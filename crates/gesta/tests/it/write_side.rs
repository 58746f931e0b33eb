//! Deciding and appending: commands, snapshots, upcasters, the past.

mod commands;
mod concert;
mod contention;
mod faulty;
mod honesty;
mod observed;
mod pages;
mod past;
#[allow(dead_code)]
#[path = "../../examples/upcasting.rs"]
mod patient;
mod rules;
mod snapshots;
mod upcasters;
