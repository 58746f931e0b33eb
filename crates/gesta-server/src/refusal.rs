//! What the rim answers when it turns a request away.

use std::time::Duration;

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use gesta_api::{Code, Problem};

/// A request turned away before any work was done for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    problem: Box<Problem>,
    retry_after: Option<Duration>,
}

impl Refusal {
    /// Turned away for this reason.
    pub(crate) fn new(code: Code, detail: impl Into<String>) -> Self {
        Self { problem: Box::new(Problem::new(code, detail)), retry_after: None }
    }

    /// The same, to be tried again after this time, rounded up to whole seconds.
    pub(crate) fn retry_after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait);
        self
    }

    /// The status of the reply.
    pub(crate) fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.problem.status).expect("every code has a legal status")
    }

    /// The problem document.
    pub(crate) fn body(&self) -> Vec<u8> {
        serde_json::to_vec(&self.problem).expect("a problem is JSON")
    }

    /// The seconds of `Retry-After`, if there is one.
    pub(crate) fn seconds(&self) -> Option<u64> {
        let millis = self.retry_after?.as_millis();
        u64::try_from(millis.div_ceil(1000).max(1)).ok()
    }
}

impl IntoResponse for Refusal {
    /// With its body, and with the problem for the layer that adds the path to it.
    fn into_response(self) -> Response {
        let mut response = (self.status(), self.body()).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(Problem::MEDIA_TYPE));
        if let Some(seconds) = self.seconds() {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response.extensions_mut().insert(self.problem);
        response
    }
}
