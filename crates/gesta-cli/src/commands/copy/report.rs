//! What a copy came to.

use serde::Serialize;

use super::place::Place;
use crate::{
    exit::{Exit, Failure, Outcome},
    output::number,
};

/// What was copied.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    pub(super) copied: u64,
    pub(super) already_there: u64,
    pub(super) head: u64,
    pub(super) checkpoints: u64,
    /// Further on in the target than in the source.
    pub(super) checkpoints_left: u64,
    /// SHA-256 over the envelopes of all events, in order.
    pub(super) source: String,
    pub(super) target: String,
    pub(super) equal: bool,
    pub(super) source_in_use: bool,
    pub(super) next: String,
}

impl Report {
    pub(super) fn text(&self) -> String {
        let Self { source, target, next, .. } = self;
        let mut text = format!(
            "{} events copied, {} were there, {} checkpoints",
            number(self.copied),
            number(self.already_there),
            number(self.checkpoints)
        );
        if self.checkpoints_left > 0 {
            text += &format!(", {} left as they are: they are further on", number(self.checkpoints_left));
        }
        text += &format!("\nsha256 of the source  {source}\nsha256 of the target  {target}");
        if self.equal {
            text += &format!("\nequal up to position {}\nnext: {next}", number(self.head));
        }
        text
    }

    /// Two logs that differ are a failure.
    pub(super) fn verdict(&self) -> Outcome {
        if self.equal {
            return Ok(());
        }
        Err(Failure::failed(
            "the target is not equal to the source: verify both, and copy into an empty store",
        ))
    }
}

/// What to do when all is copied.
pub(super) fn next(to: &Place, source_in_use: bool) -> String {
    if source_in_use {
        return "servers still run on the source: stop them, then run the same command without --follow for the rest"
            .into();
    }
    match to {
        Place::Folder(path) => {
            format!("start gesta serve --data {}; never start the source again", path.display())
        }
        Place::Database(_) => {
            format!("start gesta serve --store {to}; never start the source again")
        }
    }
}

/// What a comparison has found.
#[derive(Debug, Serialize)]
pub(super) struct Verified {
    pub(super) compared: u64,
    pub(super) source_head: u64,
    pub(super) target_head: u64,
    pub(super) source: String,
    pub(super) target: String,
    pub(super) equal: bool,
}

impl Verified {
    pub(super) fn text(&self) -> String {
        let Self { source, target, .. } = self;
        let verdict = if self.equal { "equal" } else { "not equal" };
        format!(
            "{} events compared\nsha256 of the source  {source}\nsha256 of the target  {target}\n{verdict}",
            number(self.compared)
        )
    }

    pub(super) fn verdict(&self, from: &Place, to: &Place) -> Outcome {
        if self.equal {
            return Ok(());
        }
        let sentence = if self.source == self.target {
            let (ends, other) = (number(self.source_head), number(self.target_head));
            format!("{from} ends at {ends} and {to} at {other}; up to the lower one they are equal")
        } else {
            format!("{from} and {to} differ: neither is a copy of the other")
        };
        Err(Failure::new(Exit::Conflict, sentence))
    }
}
