//! The log of a tenant.

use std::time::{Duration, Instant};

use axum::{
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use futures_util::TryStreamExt;
use gesta_api::{Event, LogInfo, LogPage, LogQuery, Problem};
use gesta_core::{Direction, Filter, LogHead, Position, ReadAll, RecordedEvent};

use super::{stream::PAGE_BYTES, streams::next_link};
use crate::{
    app::App,
    auth::{Caller, Permission},
    extract::{Query, json},
    problem::Failure,
    sse,
};

/// A search that finds little stops after so long; its page then has a next one.
const SEARCH: Duration = Duration::from_secs(2);

/// Positions searched between two looks at the clock.
const WINDOW: u64 = 65_536;

/// Read the log
///
/// Every event of the tenant that passes the filter, in the order of the log or against it, page by page.
/// `metadata.KEY=text` asks for a metadata key; a list repeats its parameter or is separated by commas.
#[utoipa::path(
    get, path = "/api/v1/log", tag = "event store",
    params(LogQuery),
    responses((status = 200, body = LogPage<'static>), (status = "default", body = Problem)),
)]
pub(crate) async fn read(
    State(app): State<App>,
    caller: Caller,
    Query(query): Query<LogQuery>,
) -> Result<Response, Failure> {
    let head = app.store.head().await?;
    let range = Range::of(&app, &caller, &query, head)?;
    let filter = filter(&caller, &query)?;
    let found = search(&app, &filter, range, query.limit.unwrap_or(100)).await?;
    let seal = |position| app.cursors.seal(&caller.tenant, head.incarnation, position);
    let cursor = seal(found.seen);
    let next = (!found.complete).then(|| cursor.clone());
    let page = LogPage {
        events: found.events.iter().map(Event::from).collect(),
        next: next.clone(),
        head: head.position.get(),
        cursor,
    };
    let link = next.map(|next| {
        // Read backwards the lower bound stays; read forwards the cursor takes its place.
        let lower = query.after_position.filter(|_| range.direction == Direction::Backwards);
        [next_link(
            "/api/v1/log",
            &LogQuery { after: Some(next), from: None, after_position: lower, ..query },
        )]
    });
    Ok((link, json(StatusCode::OK, &page)).into_response())
}

/// What a query filters, for this caller.
pub(crate) fn filter(caller: &Caller, query: &LogQuery) -> Result<Filter, Failure> {
    if query.system {
        caller.need(Permission::ProcessorRead)?;
    }
    Ok(query.filter(caller.tenant.clone()))
}

/// Which positions to read: `after < position ≤ up_to`.
#[derive(Clone, Copy)]
struct Range {
    after: Position,
    up_to: Position,
    direction: Direction,
}

impl Range {
    fn of(app: &App, caller: &Caller, query: &LogQuery, head: LogHead) -> Result<Self, Failure> {
        let direction = query.direction.unwrap_or_default();
        let forwards = direction == Direction::Forwards;
        let given = [query.after.is_some(), query.from.is_some(), forwards && query.after_position.is_some()];
        if given.into_iter().filter(|given| *given).count() > 1 {
            return Err(Failure::request(
                "after, from and after_position say the same thing: give one of them",
            ));
        }
        let mut after = Position::new(query.after_position.unwrap_or(0));
        let mut up_to = query.up_to_position.map_or(head.position, Position::new).min(head.position);
        if let Some(cursor) = &query.after {
            let seen = app.cursors.open(&caller.tenant, head, cursor)?;
            match direction {
                Direction::Forwards => after = seen,
                Direction::Backwards => up_to = up_to.min(Position::new(seen.get().saturating_sub(1))),
            }
        }
        match (query.from.as_deref(), direction) {
            (Some("head"), Direction::Forwards) => after = head.position,
            (Some("start"), Direction::Backwards) => up_to = Position::START,
            _ => {}
        }
        Ok(Self { after, up_to, direction })
    }

    /// The part to search next, and what is left then.
    fn split(self, window: u64) -> (Self, Self) {
        let (after, up_to) = (self.after.get(), self.up_to.get());
        match self.direction {
            Direction::Forwards => {
                let middle = Position::new(after.saturating_add(window).min(up_to));
                (Self { up_to: middle, ..self }, Self { after: middle, ..self })
            }
            Direction::Backwards => {
                let middle = Position::new(up_to.saturating_sub(window).max(after));
                (Self { after: middle, ..self }, Self { up_to: middle, ..self })
            }
        }
    }

    fn is_empty(self) -> bool {
        self.after >= self.up_to
    }
}

struct Found {
    events: Vec<RecordedEvent>,
    seen: Position,
    complete: bool,
}

/// Searches a range until the page is full, the time is up or the range is done.
async fn search(app: &App, filter: &Filter, range: Range, limit: usize) -> Result<Found, Failure> {
    // These are looked up in an index, which a window would only repeat.
    let indexed = !filter.ids.is_empty() || filter.correlation_id.is_some();
    let window = if indexed { u64::MAX } else { WINDOW };
    let (begun, mut left) = (Instant::now(), range);
    let (mut events, mut bytes): (Vec<RecordedEvent>, usize) = (Vec::new(), 0);
    while !left.is_empty() && begun.elapsed() < SEARCH {
        let (part, rest) = left.split(window);
        let read = ReadAll {
            direction: part.direction,
            ..ReadAll::of(filter.clone()).after(part.after).up_to(part.up_to).limit(limit - events.len())
        };
        let mut found = app.store.read_all(read);
        while let Some(event) = found.try_next().await? {
            bytes += event.data.len() + event.metadata.len();
            let seen = event.position;
            events.push(event);
            if events.len() == limit || bytes >= PAGE_BYTES {
                let complete = match range.direction {
                    Direction::Forwards => seen >= range.up_to,
                    Direction::Backwards => seen <= range.after.next(),
                };
                return Ok(Found { events, seen, complete });
            }
        }
        left = rest;
    }
    let seen = match range.direction {
        Direction::Forwards => left.after,
        // A cursor names a position that exists, so that it can be checked against the head when it comes back.
        Direction::Backwards => left.up_to.next().min(range.up_to),
    };
    Ok(Found { events, seen, complete: left.is_empty() })
}

/// What the log is, and how far it goes
#[utoipa::path(
    get, path = "/api/v1/log/head", tag = "event store",
    responses((status = 200, body = LogInfo), (status = "default", body = Problem)),
)]
pub(crate) async fn head(State(app): State<App>, caller: Caller) -> Result<Response, Failure> {
    let head = app.store.head().await?;
    let info = LogInfo {
        incarnation: head.incarnation,
        position: head.position.get(),
        cursor: app.cursors.seal(&caller.tenant, head.incarnation, head.position),
        capabilities: app.store.capabilities(),
    };
    Ok(json(StatusCode::OK, &info))
}

/// Follow the log
///
/// Server-sent events: what is there behind the cursor, then what comes. `Last-Event-ID` resumes.
#[utoipa::path(
    get, path = "/api/v1/log/stream", tag = "event store",
    params(
        LogQuery,
        ("Last-Event-ID" = Option<String>, Header, description = "a cursor; wins over after, from and after_position"),
    ),
    responses((status = 200, content_type = "text/event-stream", body = String), (status = "default", body = Problem)),
)]
pub(crate) async fn follow(
    State(app): State<App>,
    caller: Caller,
    headers: HeaderMap,
    Query(query): Query<LogQuery>,
) -> Result<Response, Failure> {
    let filter = filter(&caller, &query)?;
    sse::log(&app, caller, filter, &headers, &query).await
}
