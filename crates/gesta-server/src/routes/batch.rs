//! Appending to several streams at once.

use axum::{
    extract::State,
    http::{HeaderMap, StatusCode},
    response::Response,
};
use gesta_api::{BatchAppendRequest, BatchAppendedReply, Problem, StreamToAppend};
use gesta_core::{StreamAppend, StreamId};

use super::{append::event, headers::EventIds, publish::check_count, write};
use crate::{
    app::App,
    auth::Caller,
    extract::{JsonBody, json},
    problem::Failure,
};

/// Append to several streams, all or none
///
/// In this order; a stream may come more than once, and a later append sees the earlier ones.
#[utoipa::path(
    post, path = "/api/v1/append", tag = "event store",
    params(("Idempotency-Key" = Option<String>, Header, description = "makes the events' ids; instead of id")),
    request_body = BatchAppendRequest,
    responses(
        (status = 200, body = BatchAppendedReply),
        (status = 412, body = Problem, description = "a stream is at another version"),
        (status = "default", body = Problem),
    ),
)]
pub(crate) async fn append(
    State(app): State<App>,
    caller: Caller,
    headers: HeaderMap,
    JsonBody(request): JsonBody<BatchAppendRequest>,
) -> Result<Response, Failure> {
    check_count(&app, request.appends.iter().map(|append| append.events.len()).sum())?;
    let mut ids = EventIds::of(&headers, &caller.tenant)?;
    let appends = request.appends.into_iter().map(|one| stream_append(one, &headers, &mut ids));
    let appends = appends.collect::<Result<Vec<_>, _>>()?;
    let streams: Vec<StreamId> = appends
        .iter()
        .flat_map(|append| std::iter::repeat_n(append.stream.clone(), append.events.len()))
        .collect();
    let durability = request.durability.unwrap_or_default();
    let appended = write::append(&app, &caller, appends, durability.into(), &ids).await?;
    Ok(json(StatusCode::OK, &BatchAppendedReply::new(streams, &appended)))
}

fn stream_append(
    one: StreamToAppend,
    headers: &HeaderMap,
    ids: &mut EventIds,
) -> Result<StreamAppend, Failure> {
    let events = one.events.into_iter().map(|one| event(one, headers, ids));
    Ok(StreamAppend {
        stream: one.stream,
        expected: one.expected_version.unwrap_or_default(),
        events: events.collect::<Result<_, _>>()?,
    })
}
