//! Snapshots in memory keep the laws.

use std::sync::Arc;

use gesta_conformance::snapshot_laws;
use gesta_core::{MemorySnapshots, SnapshotStore};

async fn memory() -> (Arc<dyn SnapshotStore>, ()) {
    (Arc::new(MemorySnapshots::default()), ())
}

snapshot_laws!(memory);
