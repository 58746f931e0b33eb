//! Deciding and appending: commands, snapshots, upcasters, the past.

mod commands;
mod concert;
mod contention;
mod faulty;
mod past;
mod rules;
mod snapshots;
mod upcasters;
