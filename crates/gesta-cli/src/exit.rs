//! How a command ends: with a result, or with one plain sentence and a number a script can branch on.

use std::{fmt, process::ExitCode};

use gesta_core::{AppendError, ReadError};

/// What a command comes to.
pub(crate) type Outcome = Result<(), Failure>;

/// The exit codes; they are part of the interface and shown by `gesta help`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// It did not work.
    Failed = 1,
    /// The command line is wrong.
    Usage = 2,
    /// Something else was there first: another version, other content under the id, a lost lease.
    Conflict = 3,
    /// What was named does not exist.
    NotFound = 4,
    /// The server cannot be reached or cannot serve now: the same command may work later.
    Unavailable = 5,
    /// The key is missing, wrong or not allowed to do this.
    Denied = 6,
    /// Stopped by Ctrl-C.
    Interrupted = 130,
}

impl Exit {
    /// What a failed append comes to.
    pub(crate) fn of_append(error: &AppendError) -> Self {
        match error {
            AppendError::Conflict(_) | AppendError::IdTaken { .. } | AppendError::PartlyKnown { .. } => {
                Self::Conflict
            }
            error if error.is_transient() => Self::Unavailable,
            _ => Self::Failed,
        }
    }
}

/// Why a command ended without its result.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) exit: Exit,
    sentence: String,
}

impl Failure {
    pub(crate) fn new(exit: Exit, sentence: impl fmt::Display) -> Self {
        Self { exit, sentence: sentence.to_string() }
    }

    pub(crate) fn failed(sentence: impl fmt::Display) -> Self {
        Self::new(Exit::Failed, sentence)
    }

    pub(crate) fn usage(sentence: impl fmt::Display) -> Self {
        Self::new(Exit::Usage, sentence)
    }

    /// Prints the sentence and answers with the code.
    pub(crate) fn report(&self) -> ExitCode {
        if !self.sentence.is_empty() {
            eprintln!("gesta: {}", self.sentence);
        }
        ExitCode::from(self.exit as u8)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.sentence)
    }
}

impl From<gesta_client::Error> for Failure {
    fn from(error: gesta_client::Error) -> Self {
        let exit = match (&error, error.status().map(|status| status.as_u16())) {
            (_, Some(404 | 410)) => Exit::NotFound,
            (_, Some(409 | 412)) => Exit::Conflict,
            (_, Some(401 | 403)) => Exit::Denied,
            _ if error.is_transient() => Exit::Unavailable,
            _ => Exit::Failed,
        };
        Self::new(exit, error)
    }
}

impl From<AppendError> for Failure {
    fn from(error: AppendError) -> Self {
        Self::new(Exit::of_append(&error), error)
    }
}

impl From<ReadError> for Failure {
    fn from(error: ReadError) -> Self {
        let exit =
            if matches!(error, ReadError::Unavailable { .. }) { Exit::Unavailable } else { Exit::Failed };
        Self::new(exit, error)
    }
}

/// Output that cannot be written, for instance to a pipe whose reader has gone.
impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        if error.kind() == std::io::ErrorKind::BrokenPipe {
            return Self::new(Exit::Failed, "");
        }
        Self::failed(error)
    }
}
