//! Why a call came to nothing.

use std::{fmt, time::Duration};

use bytes::Bytes;
use gesta_api::{Code, Problem};
use http::StatusCode;

/// Why a call came to nothing. Only [`Error::Unknown`] leaves open whether it took effect.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The server answered, and not with success.
    #[error(transparent)]
    Refused(Box<Refusal>),
    /// No connection: nothing was sent.
    #[error("{server} cannot be reached: {reason}; start it with gesta serve, or name another url")]
    Unreachable {
        /// The server's base URL.
        server: String,
        /// What the system said.
        reason: String,
    },
    /// The connection broke, or the answer did not come in time: the call may have taken effect or not.
    #[error("{server} gave no answer: {reason}; ask again")]
    Unknown {
        /// The server's base URL.
        server: String,
        /// What happened.
        reason: String,
    },
    /// The answer is not one that this client understands.
    #[error("the answer of {server} is not understood: {reason}; is it a Gesta server of this version?")]
    Malformed {
        /// The server's base URL.
        server: String,
        /// What is wrong with it.
        reason: String,
    },
    /// What was asked for cannot be sent.
    #[error("this cannot be sent: {reason}")]
    Request {
        /// Why not, and what to do.
        reason: String,
    },
}

/// An answer other than success, with its status and body.
///
/// Its text is the server's own sentence when it gave one, and never the body: a body may hold anything.
#[non_exhaustive]
pub struct Refusal {
    /// The status of the answer.
    pub status: StatusCode,
    /// What a Gesta server says about it; `None` when something else answered.
    pub problem: Option<Problem>,
    /// How long the server asks to wait.
    pub retry_after: Option<Duration>,
    /// The body as it came.
    pub body: Bytes,
}

impl Refusal {
    pub(crate) fn new(status: StatusCode, retry_after: Option<Duration>, body: Bytes) -> Self {
        Self { status, problem: serde_json::from_slice(&body).ok(), retry_after, body }
    }

    /// The stable code; `None` when something else answered, or a server that knows more codes.
    pub fn code(&self) -> Option<Code> {
        self.problem.as_ref().and_then(Problem::code)
    }

    /// Whether the same call may succeed later.
    pub fn retryable(&self) -> bool {
        let by_status = || matches!(self.status.as_u16(), 429 | 502 | 503 | 504);
        self.problem.as_ref().map_or_else(by_status, |problem| problem.retryable)
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.problem {
            Some(problem) => f.write_str(&problem.detail),
            None => write!(f, "the server answered {}", self.status),
        }
    }
}

impl fmt::Debug for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Refusal")
            .field("status", &self.status.as_u16())
            .field("problem", &self.problem)
            .finish_non_exhaustive()
    }
}

impl std::error::Error for Refusal {}

impl Error {
    /// The server's refusal, if it is one.
    pub fn refusal(&self) -> Option<&Refusal> {
        if let Self::Refused(refusal) = self { Some(refusal) } else { None }
    }

    /// The status of the answer, if there was one.
    pub fn status(&self) -> Option<StatusCode> {
        self.refusal().map(|refusal| refusal.status)
    }

    /// Whether the same call may succeed later without a change.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Refused(refusal) => refusal.retryable(),
            Self::Unreachable { .. } | Self::Unknown { .. } => true,
            Self::Malformed { .. } | Self::Request { .. } => false,
        }
    }

    /// Whether the call may have taken effect in spite of this.
    pub(crate) fn leaves_open(&self) -> bool {
        match self {
            Self::Refused(refusal) => refusal.code() == Some(Code::OutcomeUnknown),
            Self::Unknown { .. } | Self::Malformed { .. } => true,
            Self::Unreachable { .. } | Self::Request { .. } => false,
        }
    }

    pub(crate) fn retry_after(&self) -> Option<Duration> {
        self.refusal().and_then(|refusal| refusal.retry_after)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_speaks_for_itself() {
        let problem = Problem::new(Code::VersionConflict, "read again");
        let body = serde_json::to_vec(&problem).expect("serializes");
        let refusal = Refusal::new(StatusCode::PRECONDITION_FAILED, None, body.into());
        assert_eq!(
            (refusal.code(), refusal.to_string().as_str()),
            (Some(Code::VersionConflict), "read again")
        );
        assert!(!refusal.retryable());
    }

    #[test]
    fn an_answer_of_something_else_keeps_its_body_to_itself() {
        let body = Bytes::from_static(b"<html>secret</html>");
        let other = Refusal::new(StatusCode::BAD_GATEWAY, None, body.clone());
        assert_eq!(other.to_string(), "the server answered 502 Bad Gateway");
        assert!(other.retryable() && !format!("{other:?}").contains("secret"));
        assert_eq!(other.body, body);
    }
}
