//! How a processor fares.

use std::time::Duration;

use gesta_core::{Epoch, Position, Timestamp};
use uuid::Uuid;

/// How a processor fares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProcessorStatus {
    /// The handler's name.
    pub name: String,
    /// What it does.
    pub state: ProcessorState,
    /// Everything up to here is handled, and saved.
    pub position: Position,
    /// The head of the log when it was last looked at.
    pub head: Position,
    /// How many positions of the log lie between the two.
    pub lag_events: u64,
    /// How old the last handled event was when it was handled; zero once there is nothing left to handle.
    pub lag: Duration,
    /// The last event that was handled, now or before a restart.
    pub last_event: Option<Uuid>,
    /// When that was.
    pub last_handled_at: Option<Timestamp>,
    /// Events handled in all, restarts included.
    pub processed: u64,
    /// Events handled since this process started it.
    pub handled: u64,
    /// Events left out since this process started it: dead letters, and what is held behind them.
    pub skipped: u64,
    /// Dead letters that wait for a decision; each holds its stream.
    pub dead_letters: u64,
    /// Calls of the handler that failed since this process started it.
    pub failures: u64,
    /// The last failure of any kind.
    pub last_error: Option<String>,
    /// Which owner of the checkpoint it is; 0 while it is none.
    pub epoch: Epoch,
}

/// What a processor does.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProcessorState {
    /// Claims its checkpoint, or waits until another process ends.
    Waiting {
        /// What for.
        reason: String,
    },
    /// Handles events, or waits for them.
    Running,
    /// Waits after a failure.
    Retrying {
        /// How many attempts have failed.
        attempt: u32,
        /// The last failure.
        reason: String,
        /// How long it waits.
        delay: Duration,
    },
    /// Was told to pause; it keeps its claim.
    Paused,
    /// Does nothing any more.
    Stopped {
        /// Why; `None` when it was told to.
        reason: Option<String>,
    },
}

impl ProcessorStatus {
    pub(crate) fn new(name: &str) -> Self {
        Self {
            name: name.into(),
            state: ProcessorState::Waiting { reason: "it starts".into() },
            position: Position::START,
            head: Position::START,
            lag_events: 0,
            lag: Duration::ZERO,
            last_event: None,
            last_handled_at: None,
            processed: 0,
            handled: 0,
            skipped: 0,
            dead_letters: 0,
            failures: 0,
            last_error: None,
            epoch: Epoch(0),
        }
    }

    /// Measures the lag anew.
    pub(crate) fn measure(&mut self, head: Position) {
        self.head = self.head.max(head).max(self.position);
        self.lag_events = self.head.get() - self.position.get();
        if self.lag_events == 0 {
            self.lag = Duration::ZERO;
        }
    }
}
