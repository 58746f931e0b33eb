//! How a handler refuses.

use std::time::Duration;

use axum::{
    body::Body,
    extract::Request,
    http::{HeaderValue, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use gesta::{GroupError, ProcessorsError, history::HistoryError, repository::LoadError};
use gesta_api::{Code, Problem};
use gesta_core::{AppendError, CheckpointKey, ReadError};

use crate::{auth::Denied, cursor::CursorError};

/// Who runs what a request is about. A refusal carries it out of the handler.
#[derive(Debug, Clone)]
pub(crate) enum Whose {
    /// Another process.
    Held { key: CheckpointKey, owner: String, remaining: Duration },
    /// None, and this one may not.
    Nobodys,
}

/// Why a handler refuses, as the client will read it: `application/problem+json`, with the path that was asked for.
///
/// ```
/// use gesta_api::{Code, Problem};
/// use gesta_server::Failure;
///
/// let problem = Problem::of_rule(409, "AlreadyConfirmed", "the order is confirmed: it takes no more items");
/// assert_eq!(Failure::from(problem).code(), None, "a rule of the program is no code of Gesta's");
/// assert_eq!(Failure::new(Code::InvalidField, "quantity is 0: give 1 or more").code(), Some(Code::InvalidField));
/// ```
#[derive(Debug)]
pub struct Failure {
    problem: Box<Problem>,
    retry_after: Option<Duration>,
    /// Who could answer instead.
    whose: Option<Box<Whose>>,
}

impl Failure {
    /// Refused for this reason.
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Problem::new(code, detail).into()
    }

    /// Refused for a field of the body.
    pub fn field(detail: impl Into<String>) -> Self {
        Problem::field(detail).into()
    }

    /// Refused for the path, the query or a header.
    pub fn request(detail: impl Into<String>) -> Self {
        Self::new(Code::MalformedRequest, detail)
    }

    /// The same with how long the client should wait.
    pub(crate) fn retry_after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait);
        self
    }

    /// The same with who could answer instead.
    pub(crate) fn belonging(mut self, whose: Whose) -> Self {
        self.whose = Some(Box::new(whose));
        self
    }

    /// What the client will read.
    pub(crate) fn into_problem(self) -> Problem {
        *self.problem
    }

    /// The same as JSON.
    pub(crate) fn body(&self) -> Vec<u8> {
        serde_json::to_vec(&self.problem).expect("a problem is JSON")
    }

    /// The status of the reply.
    pub(crate) fn status(&self) -> StatusCode {
        // Every code has a legal status; a rule of a program may have forgotten.
        StatusCode::from_u16(self.problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// The seconds of `Retry-After`, if there is one.
    pub(crate) fn seconds(&self) -> Option<u64> {
        let seconds = self.retry_after?.as_millis().div_ceil(1000).clamp(1, 3600);
        Some(u64::try_from(seconds).expect("at most an hour"))
    }

    /// Why, by its stable name; `None` for a rule of a program's own.
    pub fn code(&self) -> Option<Code> {
        self.problem.code()
    }
}

/// How long a client should wait when nothing better is known.
const WAIT: Duration = Duration::from_secs(1);

/// How long at most to wait for a lease that may end earlier.
const SOON: Duration = Duration::from_secs(5);

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        let retry_after = problem.retryable.then_some(WAIT);
        Self { problem: Box::new(problem), retry_after, whose: None }
    }
}

impl From<AppendError> for Failure {
    fn from(error: AppendError) -> Self {
        Problem::from(error).into()
    }
}

impl From<ReadError> for Failure {
    fn from(error: ReadError) -> Self {
        Problem::from(error).into()
    }
}

impl From<CursorError> for Failure {
    fn from(error: CursorError) -> Self {
        let code = match error {
            CursorError::OtherLog => Code::CursorOfAnotherLog,
            _ => Code::IllegalCursor,
        };
        Self::new(code, error.to_string())
    }
}

impl From<Denied> for Failure {
    fn from(denied: Denied) -> Self {
        Self::new(denied.code(), denied.to_string())
    }
}

impl From<GroupError> for Failure {
    fn from(error: GroupError) -> Self {
        let code = match error {
            GroupError::IllegalName { .. } | GroupError::IllegalDefinition { .. } => Code::InvalidField,
            GroupError::NotFound { .. } => Code::GroupNotFound,
            GroupError::Exists { .. } => Code::GroupExists,
            GroupError::LeaseLost { .. } => Code::LeaseLost,
            GroupError::Busy { .. } | GroupError::Elsewhere { .. } | GroupError::Unclaimed { .. } => {
                Code::GroupBusy
            }
            _ => Code::StoreUnavailable,
        };
        let mut failure = Self::new(code, error.to_string());
        match error {
            GroupError::Busy { retry_after, .. } => failure.retry_after = Some(retry_after),
            GroupError::Elsewhere { key, owner, remaining } => {
                failure =
                    failure.retry_after(remaining.min(SOON)).belonging(Whose::Held { key, owner, remaining });
            }
            GroupError::Unclaimed { .. } => failure = failure.belonging(Whose::Nobodys),
            _ => {}
        }
        failure
    }
}

impl From<ProcessorsError> for Failure {
    fn from(error: ProcessorsError) -> Self {
        let code = match error {
            ProcessorsError::Unknown { .. } => Code::ProcessorNotFound,
            ProcessorsError::Rebuilding { .. } => Code::RebuildRunning,
            ProcessorsError::NothingBefore { .. } => Code::NoFormerGeneration,
            ProcessorsError::NothingBuilt { .. } => Code::NoRebuild,
            ProcessorsError::Unavailable { .. } => Code::StoreUnavailable,
            // What is left is told to the program that adds processors, or is a definition that cannot work.
            _ => Code::Unsupported,
        };
        Self::new(code, error.to_string())
    }
}

impl From<HistoryError> for Failure {
    fn from(error: HistoryError) -> Self {
        match error {
            HistoryError::Load(error) => error.into(),
            other => Self::new(Code::Internal, other.to_string()),
        }
    }
}

impl From<LoadError> for Failure {
    fn from(error: LoadError) -> Self {
        match error {
            LoadError::Key(error) => Self::new(Code::IllegalStream, error.to_string()),
            LoadError::Read(error) => error.into(),
            LoadError::Decode(error) => Self::new(Code::EventNotUnderstood, error.to_string()),
            other => Self::new(Code::Internal, other.to_string()),
        }
    }
}

impl IntoResponse for Failure {
    /// Carries the problem beside its body: `write_problems` knows the path it belongs to.
    fn into_response(self) -> Response {
        let kind = [(header::CONTENT_TYPE, Problem::MEDIA_TYPE)];
        let mut response = (self.status(), kind, self.body()).into_response();
        if let Some(seconds) = self.seconds() {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if let Some(whose) = self.whose {
            response.extensions_mut().insert(*whose);
        }
        response.extensions_mut().insert(self.problem);
        response
    }
}

/// Writes the path that was asked for into the body of every refusal.
pub(crate) async fn write_problems(request: Request, next: Next) -> Response {
    let uri = request.uri().clone();
    let mut response = next.run(request).await;
    let Some(problem) = response.extensions_mut().remove::<Box<Problem>>() else { return response };
    response.headers_mut().remove(header::CONTENT_LENGTH);
    *response.body_mut() = Body::from(Failure::from(problem.at(uri.path())).body());
    response
}
