//! The layers around all routes, from the outside in: measured and logged, shared with pages of other origins,
//! and handed the gate that each route's guard asks.

use std::sync::Arc;

use axum::{
    Extension, Router,
    middleware::{from_fn, from_fn_with_state},
};

use crate::{
    config::Config,
    cors::{self, Origins},
    gate::Gate,
    telemetry::{self, Observer, Telemetry},
};

/// The same routes with the layers of a server around them.
pub(crate) fn around(router: Router, gate: Arc<Gate>, config: &Config, telemetry: Arc<Telemetry>) -> Router {
    let observer = Observer { telemetry, log: config.request_log };
    let mut router = router.layer(Extension(gate)).layer(from_fn(plain));
    if !config.allowed_origins.is_empty() {
        router = router.layer(from_fn_with_state(Origins::of(&config.allowed_origins), cors::share));
    }
    router.layer(from_fn_with_state(observer, telemetry::observe))
}

/// No browser guesses at what a reply is.
async fn plain(request: axum::extract::Request, next: axum::middleware::Next) -> axum::response::Response {
    let mut response = next.run(request).await;
    let nosniff = axum::http::HeaderValue::from_static("nosniff");
    response.headers_mut().insert(axum::http::header::X_CONTENT_TYPE_OPTIONS, nosniff);
    response
}
