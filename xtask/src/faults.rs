//! `cargo xtask faults`: breaks the real binary on purpose.

use crate::Outcome;

/// Runs one kind of fault: `kill9`, `powercut` or `syscalls`, with its options.
pub(crate) fn run(_arguments: &[String]) -> Outcome {
    Err("there is no binary to break yet".into())
}
