//! Appending over the wire.

use gesta_api::{BatchAppendRequest, BatchAppendedReply, Code, Problem};
use gesta_core::{
    AppendBatch, AppendError, Appended, AppendedEvent, Conflict, Durability, ExpectedVersion, Invalid,
    Position, Version,
};

use crate::{
    Error, Refusal,
    client::{Call, Client},
};

/// Appends a batch. Sent again, with the same ids, while the trouble is transient: whatever the first try came to,
/// the second one settles it.
pub(super) async fn append(client: &Client, batch: AppendBatch) -> Result<Appended, AppendError> {
    batch.validate()?;
    let request = BatchAppendRequest {
        appends: batch.appends.iter().map(Into::into).collect(),
        durability: (batch.durability == Durability::Relaxed).then_some(gesta_api::Durability::Relaxed),
    };
    let call = Call::post("/api/v1/append", &request)
        .map_err(|error| AppendError::Unavailable { reason: error.to_string() })?;
    let appended = client.settled(call.tenant(&batch.tenant)).await.map(appended);
    appended.map_err(|(error, doubt)| settled(error, doubt, &batch))
}

/// The last error as the port says it. An early try that may have taken effect makes "nothing was stored" a guess.
fn settled(error: Error, doubt: Option<Error>, batch: &AppendBatch) -> AppendError {
    let settled = match error {
        Error::Refused(refusal) => refused(*refusal, batch),
        Error::Unreachable { .. } => AppendError::Unavailable { reason: error.to_string() },
        other => AppendError::Unknown { reason: other.to_string() },
    };
    match doubt {
        Some(doubt) if settled.is_transient() => AppendError::Unknown { reason: doubt.to_string() },
        _ => settled,
    }
}

fn refused(refusal: Refusal, batch: &AppendBatch) -> AppendError {
    let reason = refusal.to_string();
    let Some(problem) = refusal.problem else {
        // Something between us and the server answered, and nothing is known about the server.
        return AppendError::Unknown { reason };
    };
    match problem.code() {
        Some(Code::VersionConflict) => {
            conflict(problem, batch).map_or_else(|| AppendError::Unknown { reason }, AppendError::Conflict)
        }
        Some(Code::EventIdTaken) => match problem.event_ids.first() {
            Some(id) => AppendError::IdTaken { id: *id },
            None => AppendError::Unavailable { reason },
        },
        Some(Code::BatchPartlyKnown) => {
            AppendError::PartlyKnown { known: problem.event_ids, of: batch.events().count() }
        }
        Some(Code::Unsupported) => AppendError::Unsupported { what: "this kind of append" },
        Some(Code::StoreBusy | Code::Overloaded | Code::TooManyRequests) => AppendError::Busy { reason },
        Some(Code::OutcomeUnknown) => AppendError::Unknown { reason },
        Some(Code::BatchTooLarge | Code::BodyTooLarge) => {
            let bytes = batch.events().map(|(_, event)| event.data.len()).sum();
            AppendError::Invalid(Invalid::BatchTooLarge { bytes })
        }
        _ => AppendError::Unavailable { reason },
    }
}

fn conflict(problem: Problem, batch: &AppendBatch) -> Option<Conflict> {
    let named = problem.stream.as_deref().and_then(|stream| stream.parse().ok());
    let only = || (batch.appends.len() == 1).then(|| batch.appends[0].stream.clone());
    let stream = named.or_else(only)?;
    let given = || batch.appends.iter().find(|append| append.stream == stream).map(|append| append.expected);
    let expected: ExpectedVersion = problem.expected_version.or_else(given)?;
    Some(Conflict { expected, actual: Version::new(problem.current_version?), stream })
}

fn appended(reply: BatchAppendedReply) -> Appended {
    let placed = |event: gesta_api::BatchAppendedEvent| AppendedEvent {
        id: event.id,
        version: Version::new(event.version),
        position: Position::new(event.position),
        recorded_at: event.recorded_at,
    };
    Appended {
        repeated: reply.repeated,
        durability: reply.durability.into(),
        events: reply.events.into_iter().map(placed).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gesta_core::NewEvent;
    use http::StatusCode;

    fn batch() -> AppendBatch {
        let stream = "order-1".parse().expect("legal");
        AppendBatch::to(stream, ExpectedVersion::Exact(Version::new(3)), [NewEvent::new("x", "1")])
    }

    fn over_the_wire(error: AppendError) -> AppendError {
        let problem = Problem::from(error);
        let status = StatusCode::from_u16(problem.status).expect("a status");
        let body = serde_json::to_vec(&problem).expect("serializes");
        settled(Error::Refused(Box::new(Refusal::new(status, None, body.into()))), None, &batch())
    }

    #[test]
    fn a_typed_error_comes_through_as_itself() {
        let conflict = batch().appends[0].expected.check(&batch().appends[0].stream, Version::new(5));
        let id = uuid::Uuid::from_u128(7);
        for error in [
            AppendError::Conflict(conflict.expect_err("another version")),
            AppendError::IdTaken { id },
            AppendError::PartlyKnown { known: vec![id], of: 1 },
        ] {
            let text = error.to_string();
            assert_eq!(over_the_wire(error).to_string(), text);
        }
        let busy = AppendError::Busy { reason: "full".into() };
        assert!(matches!(over_the_wire(busy), AppendError::Busy { .. }));
        let unknown = AppendError::Unknown { reason: "late".into() };
        assert!(matches!(over_the_wire(unknown), AppendError::Unknown { .. }));
    }

    #[test]
    fn a_doubt_of_an_early_try_outlives_a_later_refusal_to_serve() {
        let unreachable = || Error::Unreachable { server: "s".into(), reason: "refused".into() };
        let first = settled(unreachable(), None, &batch());
        assert!(matches!(first, AppendError::Unavailable { .. }), "{first}");
        let cut_off = Error::Unknown { server: "s".into(), reason: "the answer was cut off".into() };
        let later = settled(unreachable(), Some(cut_off), &batch());
        assert!(matches!(later, AppendError::Unknown { .. }), "{later}");
    }

    #[test]
    fn the_answer_of_something_else_leaves_the_outcome_open() {
        let refusal = Refusal::new(StatusCode::BAD_GATEWAY, None, bytes::Bytes::from_static(b"<html>"));
        let error = settled(Error::Refused(Box::new(refusal)), None, &batch());
        assert!(matches!(error, AppendError::Unknown { .. }), "{error}");
    }
}
