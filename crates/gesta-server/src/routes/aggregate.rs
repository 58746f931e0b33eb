//! Publishing for callers that think in aggregates.

use axum::{
    extract::State,
    http::{HeaderMap, StatusCode},
    response::Response,
};
use gesta_api::{AcceptedEvent, AggregateEvent, Problem};
use gesta_core::Durability;

use super::{
    headers::{EventIds, keep_trace},
    write,
};
use crate::{
    app::App,
    auth::Caller,
    extract::{JsonBody, json},
    problem::Failure,
};

/// Publish an event of an aggregate
///
/// The stream is the aggregate's: its type in lower snake case, a dash, its id. Answers once the event is durable.
#[utoipa::path(
    post, path = "/api/v1/events", tag = "event service",
    params(("Idempotency-Key" = Option<String>, Header, description = "makes the event's id")),
    request_body = AggregateEvent,
    responses((status = 202, body = AcceptedEvent), (status = "default", body = Problem)),
)]
pub(crate) async fn accept(
    State(app): State<App>,
    caller: Caller,
    headers: HeaderMap,
    JsonBody(request): JsonBody<AggregateEvent>,
) -> Result<Response, Failure> {
    let mut ids = EventIds::of(&headers, &caller.tenant)?;
    let (stream, mut event) = request.into_event(ids.take(None)?)?;
    keep_trace(&headers, &mut event.metadata);
    let appends = write::unconditional([(stream, event)]);
    let appended = write::append(&app, &caller, appends, Durability::Durable, &ids).await?;
    let place = appended.last();
    let reply = AcceptedEvent { event_id: place.id, timestamp: place.recorded_at, status: "accepted".into() };
    Ok(json(StatusCode::ACCEPTED, &reply))
}
