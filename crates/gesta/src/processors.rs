//! All that react to the log in this process: listed, paused, rebuilt.

use std::{sync::Arc, time::Duration};

use gesta_core::{CheckpointStore, Clock, EventHandler, EventStore, Position, read_model::ReadModelStore};

use crate::{ProcessorOptions, Projection};

mod error;
mod info;

pub use error::{ProcessorsError, WaitError};
pub use info::{ProcessorInfo, ProcessorKind, RebuildProgress};

/// The processors of a process, by name: projections with their read models, and other handlers.
///
/// Names are unique. Wherever a name is asked for, one that ends in `-projection` may be given without that ending.
pub struct Processors {
    store: Arc<dyn EventStore>,
    checkpoints: Arc<dyn CheckpointStore>,
    read_models: Option<Arc<dyn ReadModelStore>>,
    clock: Arc<dyn Clock>,
    owner: String,
}

impl Processors {
    /// None yet. `owner` names this process among those that share the checkpoints.
    pub fn new(
        store: Arc<dyn EventStore>,
        checkpoints: Arc<dyn CheckpointStore>,
        clock: Arc<dyn Clock>,
        owner: impl Into<String>,
    ) -> Self {
        Self { store, checkpoints, read_models: None, clock, owner: owner.into() }
    }

    /// The same with a place for read models; without one no projection can be added.
    pub fn with_read_models(mut self, read_models: Arc<dyn ReadModelStore>) -> Self {
        self.read_models = Some(read_models);
        self
    }

    /// Adds a projection. It runs once [`Processors::start_all`] is called, or at once if that was.
    pub async fn add_projection(
        &self,
        projection: impl Projection,
        options: ProcessorOptions,
    ) -> Result<(), ProcessorsError> {
        let _ = (projection, options, &self.store, &self.checkpoints, &self.clock, &self.owner);
        Err(ProcessorsError::Unavailable { reason: "this build cannot run any yet".into() })
    }

    /// Adds a handler that stores elsewhere, at least once. It runs once [`Processors::start_all`] is called, or at once if that was.
    pub async fn add_handler(
        &self,
        handler: Arc<dyn EventHandler>,
        options: ProcessorOptions,
    ) -> Result<(), ProcessorsError> {
        let _ = (handler, options);
        Err(ProcessorsError::Unavailable { reason: "this build cannot run any yet".into() })
    }

    /// Starts all that were added: those that were paused stay so, rebuilds that were interrupted go on, and a projection
    /// that has changed is rebuilt.
    pub async fn start_all(&self) -> Result<(), ProcessorsError> {
        Ok(())
    }

    /// How all of them fare, by name.
    pub fn list(&self) -> Vec<ProcessorInfo> {
        Vec::new()
    }

    /// How one of them fares.
    pub fn get(&self, name: &str) -> Result<ProcessorInfo, ProcessorsError> {
        Err(ProcessorsError::Unknown { name: name.into() })
    }

    /// Lets it finish its batch and wait, also after a restart of the process, until [`Processors::resume`].
    pub async fn pause(&self, name: &str) -> Result<ProcessorInfo, ProcessorsError> {
        self.get(name)
    }

    /// Lets it go on after a pause, and begins again one that has stopped with an error.
    pub async fn resume(&self, name: &str) -> Result<ProcessorInfo, ProcessorsError> {
        self.get(name)
    }

    /// Begins at the start of the log again. A read model is empty at once and fills up again under the eyes of its
    /// readers: see [`Processors::rebuild`] for the way without downtime. A handler gets every event once more.
    pub async fn reset(&self, name: &str) -> Result<ProcessorInfo, ProcessorsError> {
        self.get(name)
    }

    /// Builds a read model anew beside the one at work, which goes on meanwhile, and puts it in its place once it has caught up. Answers as soon
    /// as the rebuild has begun.
    pub async fn rebuild(&self, name: &str) -> Result<ProcessorInfo, ProcessorsError> {
        self.get(name)
    }

    /// Puts the generation before back in place, once it has caught up.
    pub async fn swap_back(&self, name: &str) -> Result<ProcessorInfo, ProcessorsError> {
        self.get(name)
    }

    /// Waits until everything up to `position` is handled: read your writes. Answers with where it stands.
    pub async fn wait_for(
        &self,
        name: &str,
        position: Position,
        timeout: Duration,
    ) -> Result<Position, WaitError> {
        let _ = (position, timeout);
        Err(WaitError::Unknown { name: name.into() })
    }

    /// Where read models are queried; `None` if the backend has none.
    pub fn read_models(&self) -> Option<Arc<dyn ReadModelStore>> {
        self.read_models.clone()
    }

    /// Stops all and waits: batches are finished, places saved, claims ended.
    pub async fn shutdown(&self) {}
}
