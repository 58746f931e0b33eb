//! What processors stand on.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use gesta_core::{CheckpointStore, Clock, EventStore, read_model::ReadModelStore};

/// What processors stand on.
#[derive(Clone)]
pub(super) struct Ports {
    pub(super) store: Arc<dyn EventStore>,
    pub(super) checkpoints: Arc<dyn CheckpointStore>,
    pub(super) read_models: Option<Arc<dyn ReadModelStore>>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) owner: String,
    /// Whether other processes may change what is recorded.
    pub(super) following: Arc<AtomicBool>,
}

impl Ports {
    pub(super) fn set_following(&self) {
        self.following.store(true, Ordering::Release);
    }

    pub(super) fn is_following(&self) -> bool {
        self.following.load(Ordering::Acquire)
    }
}
