//! What a load generator says to a server, byte for byte.
//!
//! Requests are put together from text and replies are only looked at as far as needed: the generator shares two
//! cores with what it measures, so it has to be cheap, and equally cheap for every system.

mod http;
mod resp;
mod workload;

pub(crate) use http::{Http, Route, get, post, whole_reply};
pub(crate) use resp::Resp;
pub(crate) use workload::Workload;

/// One connection's side of a conversation: a request, then its whole reply.
pub(crate) trait Wire: Send + 'static {
    /// Writes the next request into an empty buffer.
    fn request(&mut self, sent_at: u64, buffer: &mut Vec<u8>);

    /// How many bytes the reply at the start of `bytes` has, or nothing while it is not whole. Fails on a refusal.
    fn reply(&self, bytes: &[u8]) -> Result<Option<usize>, String>;
}
