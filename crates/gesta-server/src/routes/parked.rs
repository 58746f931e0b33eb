//! Parked events of a group.

use axum::{extract::State, http::StatusCode, response::Response};
use gesta::{GroupError, Parked, Selection};
use gesta_api::{Envelope, ParkedEvent, ParkedEvents, ParkedReply, ParkedSelection, Problem};

use super::group::in_path;
use crate::{
    app::App,
    auth::Caller,
    extract::{JsonBody, PathText, json},
    problem::Failure,
};

/// List parked events
///
/// They failed too often or were parked by a consumer; the later events of their streams wait behind them.
#[utoipa::path(
    get, path = "/api/v1/groups/{group}/parked", tag = "groups",
    params(("group" = String, Path, description = "the group's name")),
    responses((status = 200, body = ParkedEvents<'static>), (status = "default", body = Problem)),
)]
pub(crate) async fn list(
    State(app): State<App>,
    caller: Caller,
    PathText(group): PathText,
) -> Result<Response, Failure> {
    let parked = app.parts.groups.parked(&caller.tenant, &group).await.map_err(in_path)?;
    let parked = parked.iter().map(shown).collect();
    Ok(json(StatusCode::OK, &ParkedEvents { parked }))
}

fn shown(parked: &Parked) -> ParkedEvent<'_> {
    ParkedEvent {
        event_id: parked.event.id,
        stream_id: parked.event.stream.to_string(),
        attempts: parked.attempts,
        reason: parked.reason.clone(),
        first_failed_at: parked.first_failed_at,
        last_failed_at: parked.last_failed_at,
        held: parked.held,
        event: Envelope::from(&parked.event),
    }
}

/// Deliver parked events again
///
/// With all their attempts, and the events that wait behind them.
#[utoipa::path(
    post, path = "/api/v1/groups/{group}/parked/replay", tag = "groups",
    params(("group" = String, Path, description = "the group's name")),
    request_body = ParkedSelection,
    responses((status = 200, body = ParkedReply), (status = "default", body = Problem)),
)]
pub(crate) async fn replay(
    State(app): State<App>,
    caller: Caller,
    PathText(group): PathText,
    JsonBody(request): JsonBody<ParkedSelection>,
) -> Result<Response, Failure> {
    if request.reason.is_some() {
        return Err(Failure::field("a replay takes no reason: leave it out"));
    }
    counted(app.parts.groups.replay(&caller.tenant, &group, selection(&request)?).await)
}

/// Give parked events up
///
/// They are not delivered to this group again; the events that wait behind them are. They stay in the log.
#[utoipa::path(
    post, path = "/api/v1/groups/{group}/parked/discard", tag = "groups",
    params(("group" = String, Path, description = "the group's name")),
    request_body = ParkedSelection,
    responses((status = 200, body = ParkedReply), (status = "default", body = Problem)),
)]
pub(crate) async fn discard(
    State(app): State<App>,
    caller: Caller,
    PathText(group): PathText,
    JsonBody(request): JsonBody<ParkedSelection>,
) -> Result<Response, Failure> {
    let (reason, selection) = (reason(&request)?, selection(&request)?);
    counted(app.parts.groups.discard(&caller.tenant, &group, selection, Some(reason)).await)
}

fn counted(count: Result<usize, GroupError>) -> Result<Response, Failure> {
    Ok(json(StatusCode::OK, &ParkedReply { count: count.map_err(in_path)? }))
}

/// Why events are given up, which has to be said.
pub(super) fn reason(request: &ParkedSelection) -> Result<String, Failure> {
    let reason = request.reason.clone().filter(|reason| !reason.trim().is_empty());
    reason.ok_or_else(|| Failure::field("reason is missing: say why the events are given up"))
}

/// Which events are meant.
pub(super) fn selection(request: &ParkedSelection) -> Result<Selection, Failure> {
    match (&request.event_ids, request.all) {
        (Some(ids), None | Some(false)) if (1..=500).contains(&ids.len()) => {
            Ok(Selection::Events(ids.clone()))
        }
        (None, Some(true)) => Ok(Selection::All),
        _ => Err(Failure::field("give event_ids (1 to 500 of them) or all: true")),
    }
}
