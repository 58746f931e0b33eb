//! Appending to one stream.

use axum::{
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use gesta_api::{AppendRequest, AppendedReply, EventToAppend, Problem};
use gesta_core::{NewEvent, StreamAppend};

use super::{
    headers::{EventIds, etag, expected_version, keep_trace},
    publish::check_count,
    write,
};
use crate::{
    app::App,
    auth::Caller,
    extract::{JsonBody, StreamPath, json},
    problem::Failure,
};

/// Append to a stream
///
/// All events or none, if the stream is at the expected version: from the body, `If-Match: "7"` or
/// `If-None-Match: *`. Another version is a 412 that names the current one.
#[utoipa::path(
    post, path = "/api/v1/streams/{stream}", tag = "event store",
    params(
        ("stream" = String, Path, description = "the stream's id: category-key"),
        ("If-Match" = Option<String>, Header, description = "the expected version in quotes, or *"),
        ("If-None-Match" = Option<String>, Header, description = "* when the stream must have no event"),
        ("Idempotency-Key" = Option<String>, Header, description = "makes the events' ids; instead of id"),
    ),
    request_body = AppendRequest,
    responses(
        (status = 200, body = AppendedReply, headers(("ETag" = String, description = "the new version in quotes"))),
        (status = 412, body = Problem, description = "the stream is at another version"),
        (status = "default", body = Problem),
    ),
)]
pub(crate) async fn append(
    State(app): State<App>,
    caller: Caller,
    StreamPath(stream): StreamPath,
    headers: HeaderMap,
    JsonBody(request): JsonBody<AppendRequest>,
) -> Result<Response, Failure> {
    check_count(&app, request.events.len())?;
    let expected = expected_version(&headers, request.expected_version)?;
    let mut ids = EventIds::of(&headers, &caller.tenant)?;
    let events = request.events.into_iter().map(|one| event(one, &headers, &mut ids));
    let events = events.collect::<Result<Vec<_>, _>>()?;
    let durability = request.durability.unwrap_or_default();
    let append = StreamAppend { stream: stream.clone(), expected, events };
    let appended = write::append(&app, &caller, vec![append], durability.into(), &ids).await?;
    let reply = json(StatusCode::OK, &AppendedReply::new(stream, &appended));
    Ok(([etag(appended.last().version)], reply).into_response())
}

/// The event to append, with its id settled and the request's trace kept.
pub(crate) fn event(
    mut one: EventToAppend,
    headers: &HeaderMap,
    ids: &mut EventIds,
) -> Result<NewEvent, Failure> {
    let id = ids.take(one.id.take())?;
    let mut event = one.into_event(|| id)?;
    keep_trace(headers, &mut event.metadata);
    Ok(event)
}
