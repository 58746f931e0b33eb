//! Which streams there are.

use axum::{
    extract::State,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use gesta_api::{Problem, StreamsPage, StreamsQuery};
use gesta_core::{ListStreams, Pattern};

use crate::{
    app::App,
    auth::{Caller, Permission},
    extract::{Query, json},
    problem::Failure,
};

/// List streams
///
/// By name, page by page. Streams of Gesta itself are shown only when asked for, with `processor:read`.
#[utoipa::path(
    get, path = "/api/v1/streams", tag = "event store",
    params(StreamsQuery),
    responses((status = 200, body = StreamsPage), (status = "default", body = Problem)),
)]
pub(crate) async fn list(
    State(app): State<App>,
    caller: Caller,
    Query(query): Query<StreamsQuery>,
) -> Result<Response, Failure> {
    if query.system {
        caller.need(Permission::ProcessorRead)?;
    }
    let limit = query.limit.unwrap_or(100);
    let list = ListStreams {
        tenant: caller.tenant,
        pattern: query.pattern.as_deref().map_or_else(|| Pattern::from("*"), Pattern::from),
        after: query.after.clone(),
        system: query.system,
        limit: limit + 1,
    };
    let mut streams = app.catalog.list_streams(list).await?;
    let more = streams.len() > limit;
    streams.truncate(limit);
    let next = streams.last().filter(|_| more).map(|last| last.stream.clone());
    let page = StreamsPage {
        streams: streams.into_iter().map(Into::into).collect(),
        next: next.as_ref().map(ToString::to_string),
    };
    let link = next.map(|next| [next_link("/api/v1/streams", &StreamsQuery { after: Some(next), ..query })]);
    Ok((link, json(StatusCode::OK, &page)).into_response())
}

/// The `Link` to the next page.
pub(crate) fn next_link(path: &str, query: &impl gesta_api::Query) -> (header::HeaderName, HeaderValue) {
    let value = format!("<{path}?{}>; rel=\"next\"", query.to_query());
    (header::LINK, HeaderValue::from_str(&value).expect("paths and queries are written in ASCII"))
}
