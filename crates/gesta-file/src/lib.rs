//! Under construction.

// The log will use them.
#[allow(dead_code, reason = "the log will use it")]
mod index;
