//! The file store under the laws of the ports, and what only a store on disk can do wrong.

mod backup;
mod beside;
mod copies;
mod crash;
mod damage;
mod fixture;
mod format;
mod full_disk;
mod laws;
mod reader;
mod stops;
mod support;
mod verify;
mod written;
