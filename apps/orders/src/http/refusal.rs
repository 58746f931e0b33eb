//! What a refusal looks like: the rule's own code with what it expects and what is so, or one of Gesta's codes.

use gesta::{
    Rejection, WaitError,
    repository::{ExecuteError, LoadError},
};
use gesta_api::{Code, Problem};
use gesta_core::read_model::ReadModelError;
use gesta_server::Failure;
use serde_json::{Value, json};

use crate::domain::{customer::CustomerRejection, order::OrderRejection};

/// A rule that tells a caller more than its code.
pub(super) trait Rule: Rejection {
    /// The HTTP status it comes with.
    fn status(&self) -> u16;

    /// What the rule asks for and what is so instead, where that is the reason.
    fn expected_and_actual(&self) -> Option<(Value, Value)>;
}

impl Rule for OrderRejection {
    fn status(&self) -> u16 {
        match self {
            Self::NotInitialized => 404,
            Self::EmptyItems
            | Self::InvalidQuantity { .. }
            | Self::InvalidAmount { .. }
            | Self::TotalTooLarge => 422,
            _ => 409,
        }
    }

    fn expected_and_actual(&self) -> Option<(Value, Value)> {
        Some(match self {
            Self::AlreadyExists { actual } => (json!("no order"), json!(actual)),
            Self::EmptyItems => (json!("at least 1 item"), json!(0)),
            Self::InvalidQuantity { actual } => (json!("at least 1"), json!(actual)),
            Self::InvalidAmount { actual } => (json!("at least 0 cents"), json!(actual)),
            Self::TotalTooLarge => (json!(format!("at most {} cents", i64::MAX)), json!("more")),
            Self::NotInitialized => (json!("an order"), json!("none")),
            other => (json!(other.expected()), json!(other.actual()?)),
        })
    }
}

impl Rule for CustomerRejection {
    fn status(&self) -> u16 {
        match self {
            Self::NotInitialized | Self::AddressNotFound { .. } | Self::PaymentMethodNotFound { .. } => 404,
            Self::EmptyFirstName | Self::EmptyLastName | Self::EmptyEmail | Self::InvalidEmail => 422,
            _ => 409,
        }
    }

    fn expected_and_actual(&self) -> Option<(Value, Value)> {
        Some(match self {
            Self::AlreadyExists { actual } => (json!("no customer"), json!(actual)),
            Self::NotInitialized => (json!("a customer"), json!("none")),
            Self::EmptyFirstName | Self::EmptyLastName | Self::EmptyEmail => (json!("a text"), json!("")),
            Self::InvalidEmail => (json!("a text with an @"), json!("a text without")),
            Self::AddressNotFound { address_id } => (json!("an address of the customer"), json!(address_id)),
            Self::AddressAlreadyExists { address_id: id }
            | Self::PaymentMethodAlreadyExists { payment_method_id: id } => (json!("a new id"), json!(id)),
            Self::PaymentMethodNotFound { payment_method_id } => {
                (json!("a payment method of the customer"), json!(payment_method_id))
            }
            Self::CannotRemoveDefaultPaymentMethod => {
                (json!("another default"), json!("the default, with others beside it"))
            }
            Self::TierDowngradeNotAllowed { actual, .. } => {
                (json!(format!("higher than {}", actual.as_str())), json!(actual))
            }
            other => (json!(other.expected()), json!(other.actual()?)),
        })
    }
}

/// Why a command was not executed, as the caller reads it.
pub(super) fn of<R: Rule>(error: ExecuteError<R>) -> Failure {
    let detail = error.to_string();
    match error {
        ExecuteError::Rejected(rule) => broken(&rule),
        ExecuteError::Conflict { conflict, .. } => conflicting(Problem {
            expected_version: Some(conflict.expected),
            current_version: Some(conflict.actual.get()),
            stream: Some(conflict.stream.to_string()),
            ..Problem::new(Code::VersionConflict, conflict.to_string())
        }),
        ExecuteError::CommandIdTaken { .. } => key_reused(),
        ExecuteError::Load(error) => unloadable(error),
        ExecuteError::Store(error) => error.into(),
        ExecuteError::Unknown { .. } => Failure::new(Code::OutcomeUnknown, detail),
        ExecuteError::Key(_) => Failure::request(detail),
        _ => Failure::new(Code::Internal, detail),
    }
}

/// A key that came with another body before. The id of what is made is a part of the body.
pub(super) fn key_reused() -> Failure {
    let detail =
        "the Idempotency-Key was used for another body: send the first body again, or make a new key";
    Failure::new(Code::IdempotencyKeyReused, detail)
}

/// A broken rule.
pub(super) fn broken(rule: &impl Rule) -> Failure {
    let problem = Problem::of_rule(rule.status(), rule.code(), rule.to_string());
    match rule.expected_and_actual() {
        Some((expected, actual)) => problem.expected(expected, actual).into(),
        None => problem.into(),
    }
}

/// The application answers a conflict with 409 as it answers a broken rule, where Gesta's own routes say 412.
fn conflicting(problem: Problem) -> Failure {
    Problem { status: 409, ..problem }.into()
}

/// An aggregate that could not be folded.
pub(super) fn unloadable(error: LoadError) -> Failure {
    match error {
        LoadError::Key(invalid) => Failure::request(invalid.to_string()),
        LoadError::Read(error) => error.into(),
        LoadError::Decode(error) => Failure::new(Code::EventNotUnderstood, error.to_string()),
        other => Failure::new(Code::Internal, other.to_string()),
    }
}

/// A read model that does not answer.
pub(super) fn unanswered(error: &ReadModelError) -> Failure {
    let problem = Problem::of_rule(503, "ReadModelUnavailable", error.to_string());
    let retryable = matches!(error, ReadModelError::Unavailable { .. });
    let title = "The read model cannot answer".to_owned();
    Problem { title, retryable, ..problem }.into()
}

/// A read model that has not seen what the caller asks about.
pub(super) fn behind(error: &WaitError) -> Failure {
    let problem = Problem::of_rule(503, "ReadModelBehind", error.to_string());
    let retryable = matches!(error, WaitError::Timeout { .. });
    let title = "The read model has not come so far".to_owned();
    Problem { title, retryable, ..problem }.into()
}

/// A caller whose tenant has no orders here.
pub(super) fn other_tenant() -> Failure {
    Failure::new(Code::Forbidden, "this application serves the tenant default: use a key of that tenant")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use axum::response::IntoResponse;
    use gesta_core::Position;

    use super::*;

    /// A processor that was paused stays so until somebody acts: no wait that could be named helps.
    #[test]
    fn who_may_ask_again_is_told_when() {
        let name = || "orders-by-status-projection".to_owned();
        let (asked, stands) = (Position::new(2), Position::new(1));
        let late = WaitError::Timeout { name: name(), asked, stands, waited: Duration::from_secs(5) };
        let paused = WaitError::Stopped { name: name(), stands, reason: "it is paused".into() };
        let busy = ReadModelError::Unavailable { reason: "busy".into() };
        let told = [behind(&late), behind(&paused), unanswered(&busy)].map(|failure| {
            let response = failure.into_response();
            (response.status().as_u16(), response.headers().contains_key("retry-after"))
        });
        assert_eq!(told, [(503, true), (503, false), (503, true)]);
    }
}
