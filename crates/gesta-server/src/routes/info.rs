//! What the server is and how it fares.

use std::collections::BTreeMap;

use axum::{
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use gesta_api::{Code, Endpoints, Health, HealthStatus, Problem, ServiceInfo, StoreHealth};

use crate::{
    app::App,
    embed::{Check, worse},
    extract::{PathText, json},
    health::{HealthReport, Status},
    problem::Failure,
};

/// What the server is
#[utoipa::path(get, path = "/", tag = "server", responses((status = 200, body = ServiceInfo)))]
pub(crate) async fn root(State(app): State<App>) -> Response {
    let info = ServiceInfo {
        service: app.parts.added.name.to_string(),
        version: env!("CARGO_PKG_VERSION").into(),
        description: "An event service and event store on one durable log".into(),
        endpoints: Endpoints {
            health: "/health".into(),
            publish: "/api/v1/events/publish".into(),
            subscribe: "/api/v1/events/subscribe".into(),
            stats: "/api/v1/stats".into(),
        },
    };
    json(StatusCode::OK, &info)
}

/// How the server fares
///
/// 503 when it takes no events.
#[utoipa::path(
    get, path = "/health", tag = "server",
    responses((status = 200, body = Health), (status = 503, body = Health)),
)]
pub(crate) async fn health(State(app): State<App>) -> Response {
    let HealthReport { status, timestamp, uptime_seconds, store, .. } = app.parts.health.report();
    let store_check = store.failed.clone().unwrap_or_else(|| "ok".into());
    let behind = store.head.get().saturating_sub(store.indexed.get());
    let index_check = if behind == 0 { "ok".into() } else { format!("{behind} events behind") };
    let mut status = match status {
        Status::Healthy => HealthStatus::Healthy,
        Status::Degraded => HealthStatus::Degraded,
        Status::Unhealthy => HealthStatus::Unhealthy,
    };
    let mut checks: BTreeMap<String, String> =
        [("store".into(), store_check), ("index".into(), index_check)].into();
    for Check { name, ask } in &app.parts.added.checks {
        let (part, told) = ask().told();
        status = worse(status, part);
        checks.insert(name.clone(), told);
    }
    let code = match status {
        HealthStatus::Unhealthy => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::OK,
    };
    let health = Health {
        service: app.parts.added.name.to_string(),
        status,
        version: env!("CARGO_PKG_VERSION").into(),
        timestamp,
        uptime_seconds,
        checks,
        store: Some(StoreHealth {
            kind: store.kind.into(),
            lowered: store.lowered,
            head: store.head.get(),
            indexed: store.indexed.get(),
            durability: Some(store.durability).into(),
            segments: store.segments,
            bytes: store.bytes,
        }),
        open_connections: app.parts.telemetry.open_connections() as u64,
        stopping: app.parts.stop.is_cancelled(),
    };
    retry_later(json(code, &health))
}

/// Whether the process runs
#[utoipa::path(get, path = "/health/live", tag = "server", responses((status = 200, body = Object)))]
pub(crate) async fn live(State(app): State<App>) -> Response {
    app.parts.health.live_reply()
}

/// Whether new work may come
#[utoipa::path(
    get, path = "/health/ready", tag = "server",
    responses((status = 200, body = Object), (status = 503, body = Object)),
)]
pub(crate) async fn ready(State(app): State<App>) -> Response {
    retry_later(app.parts.health.ready_reply())
}

/// Every 503 says when to ask again.
pub(crate) fn retry_later(mut response: Response) -> Response {
    if response.status() == StatusCode::SERVICE_UNAVAILABLE {
        response.headers_mut().insert(header::RETRY_AFTER, header::HeaderValue::from_static("1"));
    }
    response
}

/// Metrics
///
/// In the text format of Prometheus.
#[utoipa::path(
    get, path = "/metrics", tag = "server",
    responses((status = 200, content_type = "text/plain", body = String), (status = "default", body = Problem)),
)]
pub(crate) async fn metrics(State(app): State<App>) -> Result<Response, Failure> {
    if !app.parts.config.metrics {
        return Err(Failure::new(Code::RouteNotFound, "metrics are switched off (GESTA_METRICS)"));
    }
    if let Some(processors) = &app.parts.added.processors {
        app.parts.telemetry.set_processors(&processors.list());
    }
    let kind = [(header::CONTENT_TYPE, "text/plain; version=0.0.4")];
    Ok((kind, app.parts.telemetry.render()).into_response())
}

/// This document
#[utoipa::path(get, path = "/openapi.json", tag = "server", responses((status = 200, body = Object)))]
pub(crate) async fn openapi(State(app): State<App>) -> Response {
    let kind = [(header::CONTENT_TYPE, "application/json")];
    (kind, app.parts.added.document.to_string()).into_response()
}

/// What a problem code means
///
/// Markdown: what happened, why, what to do, an example.
#[utoipa::path(
    get, path = "/docs/errors/{code}", tag = "server",
    params(("code" = String, Path, description = "the code of a problem")),
    responses((status = 200, content_type = "text/markdown", body = String), (status = "default", body = Problem)),
)]
pub(crate) async fn error_page(PathText(text): PathText) -> Result<Response, Failure> {
    let unknown = |_| Failure::new(Code::RouteNotFound, "there is no such problem code");
    let code: Code = text.parse().map_err(unknown)?;
    Ok(([(header::CONTENT_TYPE, "text/markdown; charset=utf-8")], code.page()).into_response())
}
