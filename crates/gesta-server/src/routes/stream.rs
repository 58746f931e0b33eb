//! One stream: reading, how far it goes, following.

use axum::{
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use futures_util::TryStreamExt;
use gesta_api::{Code, Event, LogQuery, Problem, StreamHead, StreamPage, StreamQuery};
use gesta_core::{Direction, ReadStream, RecordedEvent, StreamId, Version};

use super::{
    headers::{etag, is_current, versioned},
    streams::next_link,
};
use crate::{
    app::App,
    auth::{Caller, Permission},
    extract::{Query, StreamPath, json},
    problem::Failure,
    sse,
};

/// A page ends once its events hold so many bytes of data and metadata.
pub(crate) const PAGE_BYTES: usize = 8 * 1024 * 1024;

/// Read a stream
///
/// Forwards or backwards, page by page. A stream nobody wrote to is empty, at version 0.
#[utoipa::path(
    get, path = "/api/v1/streams/{stream}", tag = "event store",
    params(
        ("stream" = String, Path, description = "the stream's id: category-key"),
        StreamQuery,
        ("If-None-Match" = Option<String>, Header, description = "a version in quotes: 304 while it is current"),
    ),
    responses(
        (status = 200, body = StreamPage<'static>,
            headers(("ETag" = String, description = "the stream's version in quotes"))),
        (status = 304, description = "the stream is still at that version"),
        (status = "default", body = Problem),
    ),
)]
pub(crate) async fn read(
    State(app): State<App>,
    caller: Caller,
    StreamPath(stream): StreamPath,
    headers: HeaderMap,
    Query(query): Query<StreamQuery>,
) -> Result<Response, Failure> {
    may_read(&caller, &stream)?;
    let last = last_event(&app, &caller, &stream).await?;
    let version = last.map_or(Version::EMPTY, |event| event.version);
    if is_current(&headers, version) {
        return Ok((StatusCode::NOT_MODIFIED, [etag(version)]).into_response());
    }
    let (after, up_to) = bounds(&query, version);
    let direction = query.direction.unwrap_or_default();
    let read = ReadStream {
        direction,
        ..ReadStream::of(caller.tenant, stream.clone())
            .after(after)
            .up_to(up_to)
            .limit(query.limit.unwrap_or(100))
    };
    let events = collect(&app, read).await?;
    let next = events.last().and_then(|last| next_bound(last.version, after, up_to, direction));
    let page = StreamPage {
        stream: stream.clone(),
        version: version.get(),
        events: events.iter().map(Event::from).collect(),
        next,
    };
    let link = next.map(|next| {
        let query = match direction {
            Direction::Forwards => StreamQuery { after: Some(next), ..query },
            Direction::Backwards => StreamQuery { up_to: Some(next), ..query },
        };
        [next_link(&format!("/api/v1/streams/{stream}"), &query)]
    });
    Ok(([etag(version)], link, json(StatusCode::OK, &page)).into_response())
}

/// The version that was read first bounds the page, so that `version`, `events` and `next` belong together.
fn bounds(query: &StreamQuery, version: Version) -> (Version, Version) {
    let after = Version::new(query.after.unwrap_or(0));
    (after, query.up_to.map_or(version, Version::new).min(version))
}

fn next_bound(last: Version, after: Version, up_to: Version, direction: Direction) -> Option<u64> {
    match direction {
        Direction::Forwards => (last < up_to).then_some(last.get()),
        Direction::Backwards => (last > after.next()).then(|| last.get() - 1),
    }
}

async fn collect(app: &App, read: ReadStream) -> Result<Vec<RecordedEvent>, Failure> {
    let mut found = app.store.read_stream(read);
    let (mut events, mut bytes) = (Vec::new(), 0);
    while let Some(event) = found.try_next().await? {
        bytes += event.data.len() + event.metadata.len();
        events.push(event);
        if bytes >= PAGE_BYTES {
            break;
        }
    }
    Ok(events)
}

/// Refuses to show a stream of Gesta itself without the permission.
pub(crate) fn may_read(caller: &Caller, stream: &StreamId) -> Result<(), Failure> {
    if stream.is_system() {
        caller.need(Permission::ProcessorRead)?;
    }
    Ok(())
}

async fn last_event(app: &App, caller: &Caller, stream: &StreamId) -> Result<Option<RecordedEvent>, Failure> {
    let read = ReadStream::of(caller.tenant.clone(), stream.clone()).backwards().limit(1);
    Ok(app.store.read_stream(read).try_next().await?)
}

/// How far a stream goes
#[utoipa::path(
    get, path = "/api/v1/streams/{stream}/head", tag = "event store",
    params(("stream" = String, Path, description = "the stream's id: category-key")),
    responses(
        (status = 200, body = StreamHead, headers(("ETag" = String, description = "the stream's version in quotes"))),
        (status = 304, description = "the stream is still at the version of If-None-Match"),
        (status = "default", body = Problem),
    ),
)]
pub(crate) async fn head(
    State(app): State<App>,
    caller: Caller,
    StreamPath(stream): StreamPath,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    may_read(&caller, &stream)?;
    let Some(last) = last_event(&app, &caller, &stream).await? else {
        return Err(Failure::new(Code::StreamNotFound, format!("stream {stream} has no event")));
    };
    let head = StreamHead {
        stream,
        version: last.version.get(),
        last_position: last.position.get(),
        last_recorded_at: last.recorded_at,
    };
    Ok(versioned(&headers, last.version, &head))
}

/// Follow a stream
///
/// Server-sent events: what is there behind `after`, then what comes. `Last-Event-ID` resumes.
#[utoipa::path(
    get, path = "/api/v1/streams/{stream}/stream", tag = "event store",
    params(
        ("stream" = String, Path, description = "the stream's id: category-key"),
        ("after" = Option<String>, Query, description = "a version, or a cursor; from the first event when absent"),
        ("Last-Event-ID" = Option<String>, Header, description = "a cursor; wins over after"),
    ),
    responses((status = 200, content_type = "text/event-stream", body = String), (status = "default", body = Problem)),
)]
pub(crate) async fn follow(
    State(app): State<App>,
    caller: Caller,
    StreamPath(stream): StreamPath,
    headers: HeaderMap,
    Query(query): Query<LogQuery>,
) -> Result<Response, Failure> {
    may_read(&caller, &stream)?;
    sse::stream(&app, caller, stream, &headers, query).await
}
