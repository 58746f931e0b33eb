//! The binary, run as people and scripts run it.

mod application;
mod bench;
mod copy;
mod database;
mod dead_letters;
mod exit_codes;
mod export;
mod folders;
mod further_port;
mod gesta;
mod groups;
mod help;
mod import;
mod interrupt;
mod keys;
mod stores;
mod transcript;
