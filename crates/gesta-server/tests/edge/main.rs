//! The rim over real sockets: every limit, every credential, and a good end.

mod credentials;
mod database;
mod descriptors;
mod embedded;
mod flood;
mod further;
mod memory;
mod opening;
/// Databases for tests, as the store on PostgreSQL has them.
#[allow(dead_code, reason = "each crate needs a part of it")]
#[path = "../../../gesta-postgres/tests/it/support.rs"]
mod postgres;
mod process;
mod shared;
mod sizes;
mod slow;
mod start;
mod stop;
mod support;
mod telling;
