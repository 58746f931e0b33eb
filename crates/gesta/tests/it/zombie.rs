//! A processor whose checkpoint was taken over while it worked handles nothing more.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use gesta::{Processor, ProcessorOptions, ProcessorState};
use gesta_core::{
    CheckpointKey, CheckpointStore, EventHandler, Filter, HandlerError, MemoryCheckpoints, MemoryStore,
    RecordedEvent,
};

use crate::support::{TokioClock, append, tenant};

/// Loses its claim to another process while it handles its first event.
struct Overtaken {
    checkpoints: Arc<MemoryCheckpoints>,
    handled: Mutex<Vec<u64>>,
}

#[async_trait]
impl EventHandler for Overtaken {
    fn name(&self) -> &str {
        "overtaken"
    }

    fn filter(&self) -> Filter {
        Filter::of(tenant())
    }

    async fn handle(&self, events: &[RecordedEvent]) -> Result<(), HandlerError> {
        let first = {
            let mut handled = self.handled.lock().expect("no holder panics");
            handled.extend(events.iter().map(|event| event.position.get()));
            handled.len() == 1
        };
        if first {
            let key = CheckpointKey::new(tenant(), self.name());
            let long = Duration::from_secs(60);
            let held = self.checkpoints.claim(&key, "one", long).await.expect("still its own");
            self.checkpoints.release(&key, held.epoch).await.expect("releases");
            self.checkpoints.claim(&key, "two", long).await.expect("takes it over");
        }
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn a_processor_whose_save_is_refused_handles_nothing_more() {
    let clock = TokioClock::new();
    let store = Arc::new(MemoryStore::with_clock(clock.clone()));
    let checkpoints = Arc::new(MemoryCheckpoints::with_clock(clock.clone()));
    append(&*store, &["a-1", "a-1", "a-1"]).await;
    let handler = Arc::new(Overtaken { checkpoints: checkpoints.clone(), handled: Mutex::default() });
    let running = Processor::new(store, checkpoints, clock, "one", handler.clone())
        .with(ProcessorOptions { batch: 1, ..ProcessorOptions::default() })
        .start();
    let waits = |reason: &str| reason.contains("two");
    running
        .wait_for(|status| matches!(&status.state, ProcessorState::Waiting { reason } if waits(reason)))
        .await;
    assert_eq!(*handler.handled.lock().expect("no holder panics"), [1], "the others are the new owner's");
}
