//! `kill9`: SIGKILL at a random moment, over and over, on the same data.

use gesta_conformance::Dice;

use super::{rounds::Crash, server::Server};

/// The process is gone between two instructions; what it gave to the kernel stays.
pub(super) struct Kill;

impl Crash for Kill {
    fn crash(&self, mut server: Server, _: &mut Dice) -> Result<(), String> {
        server.kill();
        Ok(())
    }

    fn keeps_acknowledged_deliveries(&self) -> bool {
        true
    }
}

/// The planted bugs that a kill must bring to light, each with the most rounds it may take.
pub(super) const CONTROLS: &[(&str, usize)] = &[
    ("ack_before_sync", 40),
    ("lose_one_event", 40),
    ("duplicate_on_retry", 6),
    ("version_gte", 6),
    ("version_before_ids", 6),
    ("position_reused_after_restart", 40),
    ("skip_one_event", 3),
    ("checkpoint_plus_one", 12),
];
