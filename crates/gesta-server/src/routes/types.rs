//! The types that are known.

use axum::{extract::State, http::StatusCode, response::Response};
use gesta_api::{KnownTypes, Problem};

use crate::{app::App, extract::json};

/// List the known types
///
/// Those with a name in the server's configuration, each with its other spellings. Filters, groups and streams of events
/// that ask for one spelling get all; events of unknown types are taken all the same.
#[utoipa::path(
    get, path = "/api/v1/types", tag = "event service",
    responses((status = 200, body = KnownTypes), (status = "default", body = Problem)),
)]
pub(crate) async fn list(State(app): State<App>) -> Response {
    json(StatusCode::OK, &KnownTypes::from(&app.config.types))
}
