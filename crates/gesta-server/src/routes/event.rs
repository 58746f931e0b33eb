//! One event by its id.

use axum::{extract::State, http::StatusCode, response::Response};
use futures_util::TryStreamExt;
use gesta_api::{Code, Event, Problem};
use gesta_core::{Filter, ReadAll};
use uuid::Uuid;

use crate::{
    app::App,
    auth::{Caller, Permission},
    extract::{PathText, json},
    problem::Failure,
};

/// Read an event by its id
#[utoipa::path(
    get, path = "/api/v1/events/{id}", tag = "event store",
    params(("id" = Uuid, Path, description = "the event's id")),
    responses((status = 200, body = Event<'static>), (status = "default", body = Problem)),
)]
pub(crate) async fn read(
    State(app): State<App>,
    caller: Caller,
    PathText(text): PathText,
) -> Result<Response, Failure> {
    let id: Uuid = text.parse().map_err(|error| Failure::request(format!("illegal event id: {error}")))?;
    let mut filter = Filter::of(caller.tenant.clone()).ids([id]);
    filter.system = caller.grants.allows(Permission::ProcessorRead);
    let found = app.store.read_all(ReadAll::of(filter).limit(1)).try_next().await?;
    match found {
        Some(event) => Ok(json(StatusCode::OK, &Event::from(&event))),
        None => Err(Failure::new(Code::EventNotFound, format!("no event has the id {id}"))),
    }
}
