//! The file store under the laws of the ports, and what only a store on disk can do wrong.

mod crash;
mod damage;
mod fixture;
mod folder;
mod format;
mod full_disk;
mod laws;
mod support;
