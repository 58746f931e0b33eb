//! The routes as one service, which refuses what none of them takes.

use axum::{
    Router,
    http::{Method, Uri},
    middleware::from_fn,
};
use gesta_api::Code;

use crate::{
    app::App,
    auth::Routes,
    error::ServeError,
    problem::{Failure, write_problems},
    routes,
};

/// Every route, Gesta's and those that are added, each behind its permission, without the layers of the rim.
pub(crate) fn all(app: App, added: Option<Routes>) -> Result<Router, ServeError> {
    let own = routes::all().ready(app);
    let all = match added {
        Some(added) => own.merge(added)?,
        None => own,
    };
    Ok(refusing(all.into_router()))
}

/// The routes of the further listener for metrics and health.
pub(crate) fn watched(app: App) -> Router {
    refusing(routes::watched().with_state(app))
}

fn refusing(router: Router) -> Router {
    router.fallback(no_route).method_not_allowed_fallback(no_method).layer(from_fn(write_problems))
}

async fn no_route() -> Failure {
    Failure::new(Code::RouteNotFound, "no route has this path: see /openapi.json")
}

async fn no_method(method: Method, uri: Uri) -> Failure {
    let method: String = method.as_str().chars().take(32).collect();
    Failure::new(Code::MethodNotAllowed, format!("{} does not take {method}: see /openapi.json", uri.path()))
}
