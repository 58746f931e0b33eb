//! What holds a running processor.

use gesta_core::Wakeups;
use tokio::{sync::watch, task::JoinHandle};

use super::ProcessorStatus;

/// Holds a running processor, which stops when this is dropped.
pub struct ProcessorHandle {
    pub(super) wishes: watch::Sender<Wish>,
    pub(super) status: watch::Receiver<ProcessorStatus>,
    pub(super) hints: Wakeups,
    pub(super) task: JoinHandle<()>,
}

/// What the holder wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wish {
    Run,
    Pause,
    Stop,
}

impl ProcessorHandle {
    /// How it fares now.
    pub fn status(&self) -> ProcessorStatus {
        let mut status = self.status.borrow().clone();
        status.measure(self.hints.latest());
        status
    }

    /// Waits until its status is as asked for, or it has ended; answers with the status.
    pub async fn wait_for(&self, is: impl FnMut(&ProcessorStatus) -> bool) -> ProcessorStatus {
        let mut status = self.status.clone();
        let found = status.wait_for(is).await.map(|status| status.clone());
        found.unwrap_or_else(|_| self.status())
    }

    /// Its status as it changes, without holding it.
    pub(crate) fn watch(&self) -> watch::Receiver<ProcessorStatus> {
        self.status.clone()
    }

    /// Lets it finish its batch and wait until it is told to go on. It keeps its claim, so no other process runs it.
    pub fn pause(&self) {
        self.wish(Wish::Pause);
    }

    /// Lets it go on after a pause.
    pub fn resume(&self) {
        self.wish(Wish::Run);
    }

    /// Stops it and waits: its batch is finished within the grace of its options, its place is saved, its claim ends.
    pub async fn stop(mut self) -> ProcessorStatus {
        self.wish(Wish::Stop);
        // A loop that panicked has stopped, too.
        let _ = (&mut self.task).await;
        self.status()
    }

    fn wish(&self, new: Wish) {
        self.wishes.send_if_modified(|wish| {
            let changes = *wish != new && *wish != Wish::Stop;
            if changes {
                *wish = new;
            }
            changes
        });
    }
}
