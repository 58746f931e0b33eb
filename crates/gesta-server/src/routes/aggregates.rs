//! What the events of a stream add up to, for the aggregates of the program that the server is part of.

use std::sync::Arc;

use axum::{
    extract::State,
    http::{HeaderMap, StatusCode},
    response::Response,
};
use gesta::{
    aggregate::AggregateView,
    history::{At, Change, FieldSet as Set},
};
use gesta_api::{
    AggregateCategories, AggregateDiff, AggregateState, Code, DiffQuery, FieldChange, FieldHistory,
    FieldQuery, FieldSet, Problem, StateQuery,
};
use gesta_core::Version;

use super::headers::versioned;
use crate::{
    app::App,
    auth::Caller,
    extract::{PathPair, Query, json},
    problem::Failure,
};

/// List the categories of aggregates
///
/// Those whose states this server can show. What events add up to is code, so a server without an application knows
/// none.
#[utoipa::path(
    get, path = "/api/v1/aggregates", tag = "aggregates",
    responses((status = 200, body = AggregateCategories), (status = "default", body = Problem)),
)]
pub(crate) async fn list(State(app): State<App>) -> Response {
    let categories = app.added.aggregates.categories().map(str::to_owned).collect();
    json(StatusCode::OK, &AggregateCategories { categories })
}

/// Show the state of an aggregate
///
/// The latest, that of a version, or that of a time: with the events that had happened by then.
#[utoipa::path(
    get, path = "/api/v1/aggregates/{category}/{key}", tag = "aggregates",
    params(
        ("category" = String, Path, description = "the category of its stream"),
        ("key" = String, Path, description = "its id: the rest of the name of its stream"),
        StateQuery,
        ("If-None-Match" = Option<String>, Header, description = "a version in quotes: 304 when that is shown"),
    ),
    responses(
        (status = 200, body = AggregateState, headers(("ETag" = String, description = "the version in quotes"))),
        (status = 304, description = "the state is still that of the version"),
        (status = "default", body = Problem),
    ),
)]
pub(crate) async fn state(
    State(app): State<App>,
    caller: Caller,
    PathPair(category, key): PathPair,
    headers: HeaderMap,
    Query(asked): Query<StateQuery>,
) -> Result<Response, Failure> {
    let at = match asked {
        StateQuery { version: Some(version), .. } => At::Version(Version::new(version)),
        StateQuery { at: Some(time), .. } => At::Time(time),
        StateQuery { .. } => At::Latest,
    };
    let view = find(&app, &category)?.state(&caller.tenant, &key, at).await?;
    let view = view.ok_or_else(|| missing(&category, &key, at, None))?;
    if asked.version.is_some_and(|version| version != view.version.get()) {
        return Err(missing(&category, &key, at, Some(view.version)));
    }
    let version = view.version;
    let shown = AggregateState { category, id: key, version: version.get(), at: view.at, state: view.state };
    Ok(versioned(&headers, version, &shown))
}

/// Compare two versions of an aggregate
///
/// Field by field, each by its JSON pointer. `from` may lie behind `to`.
#[utoipa::path(
    get, path = "/api/v1/aggregates/{category}/{key}/diff", tag = "aggregates",
    params(
        ("category" = String, Path, description = "the category of its stream"),
        ("key" = String, Path, description = "its id: the rest of the name of its stream"),
        DiffQuery,
    ),
    responses((status = 200, body = AggregateDiff), (status = "default", body = Problem)),
)]
pub(crate) async fn diff(
    State(app): State<App>,
    caller: Caller,
    PathPair(category, key): PathPair,
    Query(asked): Query<DiffQuery>,
) -> Result<Response, Failure> {
    let from = At::Version(Version::new(asked.from.unwrap_or(0)));
    let to = asked.to.map_or(At::Latest, |to| At::Version(Version::new(to)));
    let found = find(&app, &category)?.diff(&caller.tenant, &key, from, to).await?;
    let diff = found.ok_or_else(|| missing(&category, &key, to, None))?;
    for (asked, got) in [(asked.from, diff.from), (asked.to, diff.to)] {
        if let Some(version) = asked.filter(|asked| *asked != got.get()) {
            return Err(missing(&category, &key, At::Version(Version::new(version)), Some(got)));
        }
    }
    let changes = diff.changes.into_iter().map(changed).collect();
    let shown = AggregateDiff { category, id: key, from: diff.from.get(), to: diff.to.get(), changes };
    Ok(json(StatusCode::OK, &shown))
}

fn changed(change: Change) -> FieldChange {
    FieldChange { path: change.path, before: change.before, after: change.after }
}

/// Explain a field of an aggregate
///
/// Which events set it, oldest first; the last one explains what is there now. `cut` says whether earlier ones are left
/// out, because of the limit or because they hold more than 8 MiB.
#[utoipa::path(
    get, path = "/api/v1/aggregates/{category}/{key}/history", tag = "aggregates",
    params(
        ("category" = String, Path, description = "the category of its stream"),
        ("key" = String, Path, description = "its id: the rest of the name of its stream"),
        FieldQuery,
    ),
    responses((status = 200, body = FieldHistory), (status = "default", body = Problem)),
)]
pub(crate) async fn history(
    State(app): State<App>,
    caller: Caller,
    PathPair(category, key): PathPair,
    Query(FieldQuery { field, limit }): Query<FieldQuery>,
) -> Result<Response, Failure> {
    let (field, limit) = (field.unwrap_or_default(), limit.unwrap_or(100));
    let view = find(&app, &category)?;
    let found = view.field_history(&caller.tenant, &key, &field, limit).await?;
    if found.sets.is_empty() && view.history(&caller.tenant, &key, Version::EMPTY, 1).await?.is_empty() {
        return Err(missing(&category, &key, At::Latest, None));
    }
    let changes = found.sets.into_iter().map(set).collect();
    Ok(json(StatusCode::OK, &FieldHistory { category, id: key, field, changes, cut: found.cut }))
}

fn set(Set { event, before, after }: Set) -> FieldSet {
    FieldSet {
        version: event.version.get(),
        event_id: event.event_id,
        event_type: event.event_type.to_string(),
        at: event.at,
        user_id: event.user_id,
        before,
        after,
    }
}

fn find<'a>(app: &'a App, category: &str) -> Result<&'a Arc<dyn AggregateView>, Failure> {
    let all = &app.added.aggregates;
    all.of(category).ok_or_else(|| {
        let known: Vec<&str> = all.categories().collect();
        let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        let category: String = category.chars().take(100).collect();
        let detail = format!("this server folds no aggregates of category {category}: it knows {known}");
        Failure::new(Code::CategoryNotFound, detail)
    })
}

fn missing(category: &str, key: &str, at: At, is_at: Option<Version>) -> Failure {
    let detail = match (at, is_at) {
        (At::Version(version), Some(is_at)) => {
            format!("{category} {key} is at version {is_at}, not yet at {version}")
        }
        (At::Time(time), _) => format!("{category} {key} has no event until {time}"),
        _ => format!("there is no {category} {key}"),
    };
    Failure::new(Code::AggregateNotFound, detail)
}
