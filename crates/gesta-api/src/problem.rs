//! What a reply says when it refuses (RFC 9457).

use gesta_core::{AppendError, ExpectedVersion, Invalid, ReadError};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::Code;

/// The body of every reply that refuses: `application/problem+json`. Holds no payload and no SQL.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema, thiserror::Error)]
#[error("{title}: {detail}")]
pub struct Problem {
    /// Where the code is explained, relative to the server: `/docs/errors/<code>`.
    #[serde(rename = "type")]
    pub kind: String,
    /// A line for people, the same for every occurrence of the code.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What went wrong this time, and what to do.
    pub detail: String,
    /// The path that was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<String>,
    /// What went wrong, by a name that never changes.
    pub code: String,
    /// Whether the same request may succeed later without a change.
    pub retryable: bool,
    /// On a conflict: what the writer expected of the stream.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<crate::append::ExpectedVersionSchema>)]
    pub expected_version: Option<ExpectedVersion>,
    /// On a conflict: the stream's version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub current_version: Option<u64>,
    /// On a conflict: the stream.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream: Option<String>,
    /// On a taken id or a partly known batch: the ids concerned.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub event_ids: Vec<uuid::Uuid>,
    /// On a broken rule of an application: what the rule asks for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected: Option<serde_json::Value>,
    /// On a broken rule of an application: what is so instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actual: Option<serde_json::Value>,
}

impl Problem {
    /// The media type of a problem.
    pub const MEDIA_TYPE: &'static str = "application/problem+json";

    /// A problem of this code.
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Self {
            kind: format!("/docs/errors/{code}"),
            title: code.title().to_owned(),
            status: code.status(),
            detail: detail.into(),
            instance: None,
            code: code.as_str().to_owned(),
            retryable: code.retryable(),
            expected_version: None,
            current_version: None,
            stream: None,
            event_ids: Vec::new(),
            expected: None,
            actual: None,
        }
    }

    /// A broken rule of an application, by the rule's own code, which has no page: `type` is `about:blank`.
    ///
    /// ```
    /// use gesta_api::Problem;
    /// let problem = Problem::of_rule(409, "AlreadyShipped", "the order is shipped: it cannot be cancelled")
    ///     .expected("Created or Confirmed", "Shipped");
    /// assert_eq!((problem.kind.as_str(), problem.code()), ("about:blank", None));
    /// ```
    pub fn of_rule(status: u16, code: impl Into<String>, detail: impl Into<String>) -> Self {
        Self {
            kind: "about:blank".to_owned(),
            title: "A rule of the application forbids it".to_owned(),
            status,
            code: code.into(),
            retryable: false,
            ..Self::new(Code::InvalidField, detail)
        }
    }

    /// The same, saying what the rule asks for and what is so instead.
    pub fn expected(
        mut self,
        expected: impl Into<serde_json::Value>,
        actual: impl Into<serde_json::Value>,
    ) -> Self {
        (self.expected, self.actual) = (Some(expected.into()), Some(actual.into()));
        self
    }

    /// A field that is missing, unknown, mistyped or out of range.
    pub fn field(detail: impl Into<String>) -> Self {
        Self::new(Code::InvalidField, detail)
    }

    /// The same, met at this path.
    pub fn at(mut self, instance: impl Into<String>) -> Self {
        self.instance = Some(instance.into());
        self
    }

    /// The code; `None` for one of a newer server.
    pub fn code(&self) -> Option<Code> {
        self.code.parse().ok()
    }
}

impl From<AppendError> for Problem {
    fn from(error: AppendError) -> Self {
        let detail = error.to_string();
        match error {
            AppendError::Invalid(invalid) => invalid.into(),
            AppendError::Conflict(conflict) => Self {
                expected_version: Some(conflict.expected),
                current_version: Some(conflict.actual.get()),
                stream: Some(conflict.stream.to_string()),
                ..Self::new(Code::VersionConflict, detail)
            },
            AppendError::IdTaken { id } => {
                Self { event_ids: vec![id], ..Self::new(Code::EventIdTaken, detail) }
            }
            AppendError::PartlyKnown { known, .. } => {
                Self { event_ids: known, ..Self::new(Code::BatchPartlyKnown, detail) }
            }
            AppendError::Unsupported { .. } => Self::new(Code::Unsupported, detail),
            AppendError::Busy { .. } => Self::new(Code::StoreBusy, detail),
            AppendError::Unavailable { .. } => Self::new(Code::StoreUnavailable, detail),
            AppendError::Unknown { .. } => Self::new(Code::OutcomeUnknown, detail),
            // A kind of a newer core: whether it took effect is not known here.
            _ => Self::new(Code::OutcomeUnknown, detail),
        }
    }
}

impl From<Invalid> for Problem {
    fn from(invalid: Invalid) -> Self {
        let code = match invalid {
            Invalid::TooManyEvents { .. } | Invalid::BatchTooLarge { .. } => Code::BatchTooLarge,
            Invalid::DataTooLarge { .. } | Invalid::MetadataTooLarge { .. } => Code::EventTooLarge,
            _ => Code::InvalidField,
        };
        Self::new(code, invalid.to_string())
    }
}

impl From<ReadError> for Problem {
    fn from(error: ReadError) -> Self {
        let code = match error {
            ReadError::Damaged { .. } => Code::StoreDamaged,
            ReadError::Unsupported { .. } => Code::Unsupported,
            _ => Code::StoreUnavailable,
        };
        Self::new(code, error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use gesta_core::{Conflict, Version};

    use super::*;

    #[test]
    fn a_conflict_names_both_versions() {
        let conflict = Conflict {
            stream: "order-1".parse().expect("legal"),
            expected: ExpectedVersion::Exact(Version::new(3)),
            actual: Version::new(5),
        };
        let problem = Problem::from(AppendError::Conflict(conflict)).at("/api/v1/streams/order-1");
        insta::assert_json_snapshot!(problem, @r#"
        {
          "type": "/docs/errors/version_conflict",
          "title": "The stream is not at the expected version",
          "status": 412,
          "detail": "stream order-1 is at version 5, expected 3: read it again and decide again",
          "instance": "/api/v1/streams/order-1",
          "code": "version_conflict",
          "retryable": false,
          "expected_version": 3,
          "current_version": 5,
          "stream": "order-1"
        }
        "#);
    }

    #[test]
    fn only_what_may_pass_by_itself_is_retryable() {
        let unknown = AppendError::Unknown { reason: "no reply".into() };
        assert!(Problem::from(unknown).retryable);
        assert!(!Problem::from(Invalid::Empty).retryable);
    }
}
