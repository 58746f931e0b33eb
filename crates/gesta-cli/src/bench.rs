//! A load generator that costs little: requests are byte buffers with a few digits patched, over plain TCP.
//!
//! Beside an HTTP client library it leaves most of a small machine to the server that is measured. It speaks just as
//! much HTTP/1.1 as a Gesta server answers to it, and is no client for anything else.

pub(crate) mod load;
mod pace;
pub(crate) mod report;
pub(crate) mod request;
pub(crate) mod subscriber;
pub(crate) mod wire;
