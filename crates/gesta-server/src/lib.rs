//! Under construction.

pub mod auth;
pub mod cursor;
mod refusal;
