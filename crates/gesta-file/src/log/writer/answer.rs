//! What whoever waits for a group is told once its sync has returned.

use gesta_core::{AppendError, Appended, CopyError, Position};

use crate::append::Reply;

/// An answer that is decided and not given yet.
pub(super) enum Answer {
    Append(Reply<Appended, AppendError>, Result<Appended, AppendError>),
    Copy(Reply<Position, CopyError>, Result<Position, CopyError>),
}

/// Gives the answers. Whoever asked may be gone; what was appended stays.
pub(super) fn send(answers: Vec<Answer>) {
    for answer in answers {
        match answer {
            Answer::Append(reply, answer) => drop(reply.send(answer)),
            Answer::Copy(reply, answer) => drop(reply.send(answer)),
        }
    }
}

/// The group was not written, or nobody knows. A refusal is unknown too: it may have been decided by an event of this
/// very group, and would tell of what never was.
pub(super) fn unknown(answers: Vec<Answer>, reason: &str) {
    let unknown = || AppendError::Unknown { reason: reason.to_owned() };
    for answer in answers {
        match answer {
            Answer::Append(reply, _) => drop(reply.send(Err(unknown()))),
            Answer::Copy(reply, _) => drop(reply.send(Err(unknown().into()))),
        }
    }
}
