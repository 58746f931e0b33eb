//! What processors stand on.

use std::sync::Arc;

use gesta_core::{CheckpointStore, Clock, EventStore, read_model::ReadModelStore};

/// What processors stand on.
#[derive(Clone)]
pub(super) struct Ports {
    pub(super) store: Arc<dyn EventStore>,
    pub(super) checkpoints: Arc<dyn CheckpointStore>,
    pub(super) read_models: Option<Arc<dyn ReadModelStore>>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) owner: String,
}
