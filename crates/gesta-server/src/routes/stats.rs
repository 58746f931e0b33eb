//! Counters, the latest events, breakers: what a dashboard shows.

use std::collections::HashMap;

use axum::{
    extract::{RawQuery, State},
    http::StatusCode,
    response::Response,
};
use futures_util::TryStreamExt;
use gesta::{GroupInfo, Parked};
use gesta_api::{Breakers, Problem, RecentEvent, RecentEvents, RecentStatus, Stats};
use gesta_core::{Filter, Position, ReadAll, RecordedEvent, StreamId};

use crate::{app::App, auth::Caller, extract::json, problem::Failure};

/// Counters
///
/// Of the caller's tenant, since the start of the server.
#[utoipa::path(
    get, path = "/api/v1/stats", tag = "event service",
    responses((status = 200, body = Stats), (status = "default", body = Problem)),
)]
pub(crate) async fn stats(State(app): State<App>, caller: Caller) -> Result<Response, Failure> {
    counted(&app, &caller).await
}

/// Counters, as the dashboard asks for them
#[utoipa::path(
    get, path = "/api/events/stats", tag = "dashboard",
    responses((status = 200, body = Stats), (status = "default", body = Problem)),
)]
pub(crate) async fn service_stats(State(app): State<App>, caller: Caller) -> Result<Response, Failure> {
    counted(&app, &caller).await
}

async fn counted(app: &App, caller: &Caller) -> Result<Response, Failure> {
    let counts = app.counters.of(&caller.tenant);
    let stats = Stats {
        events_published: counts.published.get(),
        events_consumed: counts.consumed.get(),
        events_failed: counts.failed.get(),
        handlers_registered: app.groups.list(&caller.tenant).await?.len() as u64,
        since: app.since,
    };
    Ok(json(StatusCode::OK, &stats))
}

/// Circuit breakers
///
/// By the service they protect. This server calls no other service yet, so there is none.
#[utoipa::path(
    get, path = "/api/gateway/circuit-breakers", tag = "dashboard",
    responses((status = 200, body = Breakers), (status = "default", body = Problem)),
)]
pub(crate) async fn breakers() -> Response {
    json(StatusCode::OK, &Breakers::default())
}

/// The latest events
///
/// Of the caller's tenant, newest first, with what became of them in the groups that take them.
#[utoipa::path(
    get, path = "/api/events/recent", tag = "dashboard",
    params(("limit" = Option<u32>, Query, description = "at most so many, 1 to 500; 50 when absent", minimum = 1, maximum = 500)),
    responses((status = 200, body = RecentEvents), (status = "default", body = Problem)),
)]
pub(crate) async fn recent(
    State(app): State<App>,
    caller: Caller,
    RawQuery(query): RawQuery,
) -> Result<Response, Failure> {
    let limit = gesta_api::recent_limit(query.as_deref().unwrap_or_default())?;
    let read = ReadAll::of(Filter::of(caller.tenant.clone())).backwards().limit(limit);
    let groups = progress(&app, &caller).await?;
    // Each is let go as soon as it is read: 500 events may hold 500 MiB, of which nothing is shown here.
    let events = app.store.read_all(read).map_ok(|event| shown(&event, &groups)).try_collect().await?;
    Ok(json(StatusCode::OK, &RecentEvents { events }))
}

/// A group, and the first parked event of each stream that has one.
struct Progress {
    info: GroupInfo,
    /// What it takes, under every spelling.
    filter: Filter,
    parked: HashMap<StreamId, Vec<Position>>,
}

async fn progress(app: &App, caller: &Caller) -> Result<Vec<Progress>, Failure> {
    let mut groups = Vec::new();
    for info in app.groups.list(&caller.tenant).await? {
        let mut parked: HashMap<StreamId, Vec<Position>> = HashMap::new();
        if info.parked > 0 {
            for Parked { event, .. } in app.groups.parked(&caller.tenant, &info.name).await? {
                parked.entry(event.stream).or_default().push(event.position);
            }
        }
        let filter = app.store.understood(info.definition.filter.clone());
        groups.push(Progress { info, filter, parked });
    }
    Ok(groups)
}

impl Progress {
    fn status(&self, event: &RecordedEvent) -> RecentStatus {
        let parked = self.parked.get(&event.stream).map_or(&[][..], Vec::as_slice);
        if parked.contains(&event.position) {
            RecentStatus::Failed
        } else if event.position > self.info.position || parked.iter().any(|first| *first < event.position) {
            RecentStatus::Pending
        } else {
            RecentStatus::Processed
        }
    }
}

fn shown(event: &RecordedEvent, groups: &[Progress]) -> RecentEvent {
    let known = event.metadata().unwrap_or_default();
    let taking = groups.iter().filter(|group| group.filter.accepts(event));
    let statuses: Vec<RecentStatus> = taking.map(|group| group.status(event)).collect();
    let status = [RecentStatus::Failed, RecentStatus::Pending].into_iter().find(|s| statuses.contains(s));
    RecentEvent {
        id: event.id,
        event_type: event.event_type.to_string(),
        priority: known.priority().get(),
        source_service: known.source.unwrap_or_default(),
        timestamp: event.recorded_at,
        status: status.unwrap_or(RecentStatus::Processed),
    }
}
