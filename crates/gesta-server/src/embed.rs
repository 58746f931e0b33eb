//! A whole server inside another program: its own routes beside Gesta's, behind one rim.
//!
//! ```
//! use axum::{Json, body::Body, extract::State, http::Request};
//! use gesta_server::{
//!     Backend, Config, Server,
//!     auth::{Access, Caller, Guarded, Permission},
//! };
//! use tower::ServiceExt;
//! use utoipa::openapi::OpenApi;
//! use utoipa_axum::routes;
//!
//! /// Greet the caller
//! #[utoipa::path(get, path = "/api/v1/greeting", responses((status = 200, body = String)))]
//! async fn greet(State(word): State<&'static str>, caller: Caller) -> Json<String> {
//!     Json(format!("{word}, {}", caller.tenant))
//! }
//!
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let routes = Guarded::new(OpenApi::default())
//!     .routes(Access::Needs(Permission::StreamRead), routes!(greet))
//!     .ready("hello");
//! let service = Server::new(Backend::memory(), Config::default())
//!     .named("greeter")
//!     .with_routes(routes)
//!     .service()
//!     .await?;
//! let request = Request::get("/api/v1/greeting").header("host", "127.0.0.1").body(Body::empty())?;
//! assert_eq!(service.oneshot(request).await?.status(), 200);
//! # Ok(()) }
//! ```

use std::{
    future::Future,
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
};

use axum::Router;
use gesta::{Aggregates, Processors};
use tokio::net::TcpListener;

use crate::{
    added::{Added, Check, Part, of_processors},
    app::App,
    auth::{Declared, Routes},
    backend::Backend,
    config::Config,
    error::ServeError,
    listen,
    rim::Rim,
    roles::Roles,
    router, routes,
    run::{Engine, Further, Running, open_groups},
    shared::Shared,
    telemetry::Telemetry,
};

/// The page for users: its code compiles, and what can be run is run.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/embedding.md")]
struct Page;

/// A server to be: what it stands on, what it is told, and what a program adds to it. Nothing runs before
/// [`Server::start`] or [`Server::service`].
pub struct Server {
    backend: Backend,
    config: Config,
    telemetry: Arc<Telemetry>,
    routes: Vec<Routes>,
    added: Added,
}

impl Server {
    /// A server on this backend with Gesta's routes only, called `gesta`.
    pub fn new(backend: Backend, config: Config) -> Self {
        let document = crate::openapi::text().into();
        let added = Added {
            name: "gesta".into(),
            checks: Vec::new(),
            document,
            processors: None,
            aggregates: Aggregates::new(),
        };
        let backend = backend.knowing(&config.types);
        Self { backend, config, telemetry: Telemetry::new(), routes: Vec::new(), added }
    }

    /// The same called this in `/`, `/health` and the log.
    pub fn named(mut self, name: impl Into<Arc<str>>) -> Self {
        self.added.name = name.into();
        self
    }

    /// The same with further routes, each of which has said what it asks of its caller. They pass the same rim as
    /// Gesta's own: limits, keys, metrics, request log. Their handlers may take a [`Caller`](crate::auth::Caller), and
    /// refuse with a [`Failure`](crate::Failure).
    ///
    /// `/openapi.json` then describes all routes, under the title of the first document that is added.
    pub fn with_routes(mut self, routes: Routes) -> Self {
        self.routes.push(routes);
        self
    }

    /// The same with the processors of the program: `/api/v1/processors` shows and steers them, `/health` tells of those
    /// that have stopped, `/metrics` how far they are.
    ///
    /// [`Server::start`] starts them, and [`Running::stop`] stops them before the store is closed. With
    /// [`Server::service`] both are the program's matter.
    pub fn with_processors(mut self, processors: Arc<Processors>) -> Self {
        self.added.processors = Some(Arc::clone(&processors));
        self.with_check("processors", move || of_processors(&processors.list()))
    }

    /// The same with the aggregates of the program: `/api/v1/aggregates` shows their states at any version and time, what
    /// has changed and which event changed it.
    pub fn with_aggregates(mut self, aggregates: Aggregates) -> Self {
        self.added.aggregates = aggregates;
        self
    }

    /// The same with a part that `/health` asks. Asking must be cheap, and must not wait.
    pub fn with_check(
        mut self,
        name: impl Into<String>,
        ask: impl Fn() -> Part + Send + Sync + 'static,
    ) -> Self {
        self.added.checks.push(Check { name: name.into(), ask: Arc::new(ask) });
        self
    }

    /// The same with these metrics, such as those of [`Telemetry::with_buckets`].
    pub fn with_telemetry(mut self, telemetry: Arc<Telemetry>) -> Self {
        self.telemetry = telemetry;
        self
    }

    /// What the server will measure; a program adds its own metrics with [`Telemetry::within`].
    pub fn telemetry(&self) -> Arc<Telemetry> {
        Arc::clone(&self.telemetry)
    }

    /// Every route with what it asks of its caller, the program's own included: for a test over all of them.
    pub fn declared(&self) -> Vec<Declared> {
        let own = self.routes.iter().flat_map(|routes| routes.declared().to_vec());
        routes::declared().into_iter().chain(own).collect()
    }

    /// The whole server as one service, without a listener: for tests. It is guarded by `config.keys_file`, or open to
    /// requests meant for this machine when there is none.
    ///
    /// Fails when the keys or the groups cannot be read, or two routes cannot be told apart.
    pub async fn service(self) -> Result<Router, ServeError> {
        let keys = self.config.keys_file.clone();
        let mut rim = Rim::new(self.config, (Ipv4Addr::LOCALHOST, 0).into(), keys.as_deref())?;
        rim.telemetry = self.telemetry;
        let groups = open_groups(&self.backend, &rim.config).await?;
        let (routes, added) = merged(self.routes, self.added)?;
        let app = App::new(&rim, &self.backend, groups, added);
        Ok(rim.around(router::all(app, routes)?))
    }

    /// Starts the server where the configuration says.
    ///
    /// Fails when the address cannot be listened on or would be open to the network unguarded, when keys or groups
    /// cannot be read, and when two routes cannot be told apart.
    pub async fn start(self) -> Result<Running, ServeError> {
        let listener = listen::listen(&self.config).await?;
        self.start_on(listener).await
    }

    /// Starts the server on this listener.
    pub async fn start_on(mut self, listener: TcpListener) -> Result<Running, ServeError> {
        let address = listen::address(&self.config, &listener)?;
        self.backend = self.backend.listening(&self.config, address);
        let roles = self.config.roles;
        if roles != Roles::ALL && !self.backend.is_shared {
            return Err(ServeError::Roles { store: self.backend.place });
        }
        let fit = listen::connections_that_fit(self.config.max_connections);
        self.config.max_connections = fit;
        let further = further_listener(&self.config, address)?.map(|listener| {
            let (main, further) = listen::shared_out(fit);
            self.config.max_connections = main;
            Further { listener, most: further }
        });
        let keys = listen::keys_path(&self.config, self.backend.folder.as_deref());
        let mut rim = Rim::new(self.config, address, keys.as_deref())?;
        rim.telemetry = self.telemetry;
        let groups = open_groups(&self.backend, &rim.config).await?;
        let (routes, added) = merged(self.routes, self.added)?;
        let processors = added.processors.clone();
        let app = App::new(&rim, &self.backend, Arc::clone(&groups), added);
        let shared = self.backend.is_shared.then(|| Shared::begin(&self.backend, &app, roles));
        let mut all = router::all(app.clone(), routes)?;
        if let Some(shared) = &shared {
            all = shared.around(all);
        }
        if let Some(processors) = processors.as_ref().filter(|_| roles.processors)
            && let Err(error) = processors.start_all().await
        {
            // Some run by now, and nobody would stop them.
            processors.shutdown().await;
            return Err(error.into());
        }
        let engine = Engine { groups, processors, shared };
        Running::begin(rim, self.backend, engine, (listener, further), (all, router::watched(app)))
    }

    /// Starts the server, runs it until `shutdown` is done, then stops it in good order.
    pub async fn serve(self, shutdown: impl Future<Output = ()>) -> Result<(), ServeError> {
        self.start().await?.until(shutdown).await
    }

    /// The same on this listener.
    pub async fn serve_on(
        self,
        listener: TcpListener,
        shutdown: impl Future<Output = ()>,
    ) -> Result<(), ServeError> {
        self.start_on(listener).await?.until(shutdown).await
    }
}

fn further_listener(config: &Config, main: SocketAddr) -> Result<Option<TcpListener>, ServeError> {
    let listen = |port| listen::listen_further(config, main, port);
    config.metrics_port.map(listen).transpose()
}

/// All routes that were added, and the document of them and Gesta's own.
fn merged(routes: Vec<Routes>, mut added: Added) -> Result<(Option<Routes>, Added), ServeError> {
    let mut rest = routes.into_iter();
    let Some(first) = rest.next() else { return Ok((None, added)) };
    let own = rest.try_fold(first, Routes::merge)?;
    let mut document = routes::document();
    document.info = own.document().info.clone();
    document.merge(own.document().clone());
    added.document = crate::auth::document_text(&document).into();
    Ok((Some(own), added))
}
