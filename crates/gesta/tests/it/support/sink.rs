//! A handler that leaves events out until it is mended.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use gesta::{OnFailure, ProcessorOptions, Processors, Selection};
use gesta_core::{
    CheckpointStore, EventHandler, EventStore, Filter, HandlerError, Position, RecordedEvent, SystemClock,
};

use super::tenant;

pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Refuses `bad` until it is mended, and remembers what it took, as `stream@version`.
#[derive(Default)]
pub(crate) struct Sink {
    mended: AtomicBool,
    handled: Mutex<Vec<String>>,
}

impl Sink {
    pub(crate) fn mend(&self) {
        self.mended.store(true, Ordering::SeqCst);
    }

    pub(crate) fn break_again(&self) {
        self.mended.store(false, Ordering::SeqCst);
    }

    pub(crate) fn handled(&self) -> Vec<String> {
        self.handled.lock().expect("not poisoned").clone()
    }
}

#[async_trait]
impl EventHandler for Sink {
    fn name(&self) -> &str {
        "sink"
    }

    fn filter(&self) -> Filter {
        Filter::of(tenant())
    }

    async fn handle(&self, events: &[RecordedEvent]) -> Result<(), HandlerError> {
        let bad = events.iter().any(|event| event.stream.category() == "bad");
        if bad && !self.mended.load(Ordering::SeqCst) {
            return Err(HandlerError::Permanent("never".into()));
        }
        let places = events.iter().map(|event| format!("{}@{}", event.stream, event.version));
        self.handled.lock().expect("not poisoned").extend(places);
        Ok(())
    }
}

/// The processors of one process, with this handler.
pub(crate) async fn processors(
    store: Arc<dyn EventStore>,
    checkpoints: Arc<dyn CheckpointStore>,
    sink: &Arc<Sink>,
) -> Processors {
    let processors = Processors::new(store, checkpoints, Arc::new(SystemClock), "one");
    let options = ProcessorOptions { on_failure: OnFailure::Skip, ..ProcessorOptions::default() };
    processors.add_handler(sink.clone(), options).await.expect("adds");
    processors
}

pub(crate) async fn letters(processors: &Processors) -> Vec<String> {
    let letters = processors.dead_letters("sink").await.expect("lists");
    letters.iter().map(|letter| format!("{}@{}", letter.stream, letter.version)).collect()
}

pub(crate) async fn wait(processors: &Processors, position: Position) {
    processors.wait_for("sink", position, PATIENCE).await.expect("gets there");
}

/// Has all dead letters handled again, and waits until none is left, or it has died.
pub(crate) async fn settle(processors: &Processors) -> Option<()> {
    let settled = async {
        processors.replay_dead_letters("sink", Selection::All).await.ok()?;
        while !processors.dead_letters("sink").await.ok()?.is_empty() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Some(())
    };
    tokio::time::timeout(PATIENCE, settled).await.ok().flatten()
}
