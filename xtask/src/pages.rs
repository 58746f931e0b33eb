//! `cargo xtask pages`: runs the commands of the documents as a reader would.

use crate::{Outcome, gate::Counts};

/// Not there before the commands are.
pub(crate) fn run(_arguments: &[String]) -> Outcome {
    Err("the documents show no command yet".into())
}

/// The same as a step of the gate.
pub(crate) fn step(_counts: &mut Counts) -> Outcome {
    Ok(())
}
