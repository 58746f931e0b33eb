//! Parked events of a group.

use axum::{http::StatusCode, response::Response};
use gesta::{Parked, Selection};
use gesta_api::{Envelope, ParkedEvent, ParkedEvents, ParkedReply, ParkedSelection, Problem};

use super::group::{Named, in_path};
use crate::{
    extract::{JsonBody, json},
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
pub(crate) async fn list(Named { app, tenant, name }: Named) -> Result<Response, Failure> {
    let parked = app.groups.parked(&tenant, &name).await.map_err(in_path)?;
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
    Named { app, tenant, name }: Named,
    JsonBody(request): JsonBody<ParkedSelection>,
) -> Result<Response, Failure> {
    counted(app.groups.replay(&tenant, &name, replayed(request)?).await.map_err(in_path)?)
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
    Named { app, tenant, name }: Named,
    JsonBody(request): JsonBody<ParkedSelection>,
) -> Result<Response, Failure> {
    let (selection, reason) = discarded(request)?;
    counted(app.groups.discard(&tenant, &name, selection, Some(reason)).await.map_err(in_path)?)
}

/// The reply of a decision about so many events.
pub(super) fn counted(count: usize) -> Result<Response, Failure> {
    Ok(json(StatusCode::OK, &ParkedReply { count }))
}

/// Which events are to be tried again.
pub(super) fn replayed(request: ParkedSelection) -> Result<Selection, Failure> {
    match request.reason {
        Some(_) => Err(Failure::field("a replay takes no reason: leave it out")),
        None => selection(request),
    }
}

/// Which events are given up, and why, which has to be said.
pub(super) fn discarded(mut request: ParkedSelection) -> Result<(Selection, String), Failure> {
    let reason = request.reason.take().filter(|reason| !reason.trim().is_empty());
    let missing = || Failure::field("reason is missing: say why the events are given up");
    let reason = reason.ok_or_else(missing)?;
    Ok((selection(request)?, reason))
}

fn selection(request: ParkedSelection) -> Result<Selection, Failure> {
    match (request.event_ids, request.all) {
        (Some(ids), None | Some(false)) if (1..=500).contains(&ids.len()) => Ok(Selection::Events(ids)),
        (None, Some(true)) => Ok(Selection::All),
        _ => Err(Failure::field("give event_ids (1 to 500 of them) or all: true")),
    }
}
