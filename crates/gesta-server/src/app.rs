//! The server without its listener: every route over the ports.

use std::{ops::Deref, sync::Arc};

use axum::{
    Router,
    http::{Method, Uri},
    middleware::from_fn,
};
use gesta::Groups;
use gesta_api::Code;
use gesta_core::{Clock, EventStore, StreamCatalog, SystemClock, Timestamp};
use tokio_util::sync::CancellationToken;

use crate::{
    Backend, Config, Rim, ServeError, Server,
    auth::Routes,
    counters::Counters,
    cursor::CursorKey,
    embed::Added,
    health::Health,
    problem::{Failure, write_problems},
    quota::Quota,
    replay::Replays,
    routes,
    subscriptions::Subscriptions,
    telemetry::Telemetry,
};

/// What handlers share.
#[derive(Clone)]
pub(crate) struct App(Arc<Inner>);

/// What the routes stand on, and what they remember.
pub(crate) struct Inner {
    pub(crate) store: Arc<dyn EventStore>,
    pub(crate) catalog: Arc<dyn StreamCatalog>,
    pub(crate) groups: Arc<Groups>,
    pub(crate) cursors: CursorKey,
    /// Whether other processes may use the same store.
    pub(crate) is_shared: bool,
    pub(crate) quota: Arc<Quota>,
    pub(crate) health: Health,
    pub(crate) telemetry: Arc<Telemetry>,
    pub(crate) config: Arc<Config>,
    /// Cancelled when the server begins to stop: long polls answer, streams end.
    pub(crate) stop: CancellationToken,
    /// What the program adds that the server is part of.
    pub(crate) added: Added,
    pub(crate) counters: Counters,
    pub(crate) subscriptions: Subscriptions,
    pub(crate) replays: Replays,
    pub(crate) since: Timestamp,
}

impl App {
    /// What a server with this rim and backend stands on.
    pub(crate) fn new(rim: &Rim, backend: &Backend, groups: Arc<Groups>, added: Added) -> Self {
        Self(Arc::new(Inner {
            store: Arc::clone(&backend.store),
            catalog: Arc::clone(&backend.catalog),
            groups,
            cursors: backend.cursors.clone(),
            is_shared: backend.is_shared,
            quota: Arc::clone(&rim.quota),
            health: Health::new(Arc::clone(&backend.probe), Arc::clone(&rim.telemetry), rim.stop.clone()),
            telemetry: Arc::clone(&rim.telemetry),
            config: Arc::clone(&rim.config),
            stop: rim.stop.clone(),
            added,
            counters: Counters::default(),
            subscriptions: Subscriptions::new(Arc::clone(&backend.store)),
            replays: Replays::default(),
            since: SystemClock.now(),
        }))
    }
}

impl Deref for App {
    type Target = Inner;

    fn deref(&self) -> &Inner {
        &self.0
    }
}

/// Every route, Gesta's and those that are added, each behind its permission, without the layers of the rim.
pub(crate) fn app(app: App, added: Option<Routes>) -> Result<Router, ServeError> {
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

/// A whole server as one service, without a listener: for tests, and for embedding in another program. It is guarded
/// by `config.keys_file`, or open to requests meant for this machine when there is none. With routes of the program's
/// own it is [`Server::service`].
///
/// ```
/// use axum::{body::Body, http::Request};
/// use gesta_server::{Backend, Config, service};
/// use tower::ServiceExt;
///
/// # #[tokio::main]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let service = service(Backend::memory(), Config::default()).await?;
/// let request = Request::get("/health").header("host", "127.0.0.1").body(Body::empty())?;
/// assert_eq!(service.oneshot(request).await?.status(), 200);
/// # Ok(()) }
/// ```
pub async fn service(backend: Backend, config: Config) -> Result<Router, ServeError> {
    Server::new(backend, config).service().await
}

async fn no_route() -> Failure {
    Failure::new(Code::RouteNotFound, "no route has this path: see /openapi.json")
}

async fn no_method(method: Method, uri: Uri) -> Failure {
    let method: String = method.as_str().chars().take(32).collect();
    Failure::new(Code::MethodNotAllowed, format!("{} does not take {method}: see /openapi.json", uri.path()))
}
