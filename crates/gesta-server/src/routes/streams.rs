//! Which streams there are.

use axum::{
    extract::{RawQuery, State},
    http::{HeaderValue, StatusCode, header},
    response::Response,
};
use gesta_api::{Problem, StreamsPage, StreamsQuery};
use gesta_core::{ListStreams, Pattern};

use crate::{
    app::App,
    auth::{Caller, Permission},
    extract::json,
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
    RawQuery(query): RawQuery,
) -> Result<Response, Failure> {
    let mut query = StreamsQuery::parse(query.as_deref().unwrap_or_default())?;
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
    let mut streams = app.parts.catalog.list_streams(list).await?;
    let more = streams.len() > limit;
    streams.truncate(limit);
    let next = streams.last().filter(|_| more).map(|last| last.stream.clone());
    let page = StreamsPage {
        streams: streams.into_iter().map(Into::into).collect(),
        next: next.as_ref().map(ToString::to_string),
    };
    let mut response = json(StatusCode::OK, &page);
    if next.is_some() {
        query.after = next;
        response.headers_mut().extend([next_link("/api/v1/streams", &query.to_query())]);
    }
    Ok(response)
}

/// The `Link` to the next page.
pub(crate) fn next_link(path: &str, query: &str) -> (header::HeaderName, HeaderValue) {
    let value = format!("<{path}?{query}>; rel=\"next\"");
    (header::LINK, HeaderValue::from_str(&value).expect("paths and queries are written in ASCII"))
}
