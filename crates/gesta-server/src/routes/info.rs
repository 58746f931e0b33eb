//! What the server is and how it fares.

use axum::{
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use gesta_api::{Code, Endpoints, Health, HealthStatus, Problem, ServiceInfo};
use serde::Serialize;

use crate::{
    added::Check,
    app::App,
    extract::{PathText, json},
    problem::Failure,
};

/// What the server is
#[utoipa::path(get, path = "/", tag = "server", responses((status = 200, body = ServiceInfo)))]
pub(crate) async fn root(State(app): State<App>) -> Response {
    let info = ServiceInfo {
        service: app.added.name.to_string(),
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
    let mut health = app.health.report(&app.added.name);
    for Check { name, ask } in &app.added.checks {
        let (status, told) = ask().told();
        health.status = health.status.max(status);
        health.checks.insert(name.clone(), told);
    }
    told(health.status != HealthStatus::Unhealthy, &health)
}

/// Whether the process runs
#[utoipa::path(get, path = "/health/live", tag = "server", responses((status = 200, body = Object)))]
pub(crate) async fn live() -> Response {
    told(true, &serde_json::json!({ "status": "live" }))
}

/// Whether new work may come
#[utoipa::path(
    get, path = "/health/ready", tag = "server",
    responses((status = 200, body = Object), (status = 503, body = Object)),
)]
pub(crate) async fn ready(State(app): State<App>) -> Response {
    let ready = app.health.is_ready();
    told(ready, &serde_json::json!({ "status": if ready { "ready" } else { "not_ready" } }))
}

/// What is good in a 200, and what is not in a 503, which says when to ask again.
pub(crate) fn told(good: bool, shown: &impl Serialize) -> Response {
    if good {
        return json(StatusCode::OK, shown);
    }
    ([(header::RETRY_AFTER, "1")], json(StatusCode::SERVICE_UNAVAILABLE, shown)).into_response()
}

/// Metrics
///
/// In the text format of Prometheus.
#[utoipa::path(
    get, path = "/metrics", tag = "server",
    responses((status = 200, content_type = "text/plain", body = String), (status = "default", body = Problem)),
)]
pub(crate) async fn metrics(State(app): State<App>) -> Result<Response, Failure> {
    if !app.config.metrics {
        return Err(Failure::new(Code::RouteNotFound, "metrics are switched off (GESTA_METRICS)"));
    }
    if let Some(processors) = &app.added.processors {
        app.telemetry.set_processors(&processors.list());
    }
    let kind = [(header::CONTENT_TYPE, "text/plain; version=0.0.4")];
    Ok((kind, app.telemetry.render()).into_response())
}

/// This document
#[utoipa::path(get, path = "/openapi.json", tag = "server", responses((status = 200, body = Object)))]
pub(crate) async fn openapi(State(app): State<App>) -> Response {
    let kind = [(header::CONTENT_TYPE, "application/json")];
    (kind, app.added.document.to_string()).into_response()
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
