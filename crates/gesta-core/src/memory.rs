//! The in-memory backend: the reference every other one is compared with. Gone with the process.

mod checkpoints;
mod snapshots;
mod store;

pub use checkpoints::MemoryCheckpoints;
pub use snapshots::MemorySnapshots;
pub use store::MemoryStore;
