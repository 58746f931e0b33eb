//! The file store under the laws of the ports, and what only a store on disk can do wrong.

mod laws;
mod support;
