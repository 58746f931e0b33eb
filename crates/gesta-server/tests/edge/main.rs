//! The rim over real sockets: every limit, every credential, and a good end.

mod credentials;
mod database;
mod descriptors;
mod embedded;
mod flood;
mod further;
mod memory;
mod opening;
mod process;
mod shared;
mod sizes;
mod slow;
mod start;
mod stop;
mod support;
mod telling;
