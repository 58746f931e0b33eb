//! A server that runs, and how it stops.

use std::{fmt, future::Future, net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use axum::Router;
use futures_util::future::BoxFuture;
use gesta::{Groups, GroupsOptions, Processors};
use gesta_core::{DurabilityClass, SystemClock};
use tokio::{net::TcpListener, time::timeout};
use tokio_util::task::AbortOnDropHandle;

use crate::{
    backend::{Backend, StoreReport},
    config::Config,
    error::ServeError,
    rim::{Rim, Serving},
    shared::Shared,
    telemetry::Telemetry,
};

/// How often the groups are measured.
const WATCH: Duration = Duration::from_secs(5);

/// How long closing the store may take after the last request.
const CLOSE: Duration = Duration::from_secs(10);

/// A server that runs. Dropped without [`Running::stop`], it stops at once and cuts what is in flight.
pub struct Running {
    report: Report,
    serving: Serving,
    further: Option<Serving>,
    watch: AbortOnDropHandle<()>,
    engine: Engine,
    close: BoxFuture<'static, Result<(), String>>,
}

/// What reacts to the log in this process.
pub(crate) struct Engine {
    pub(crate) groups: Arc<Groups>,
    pub(crate) processors: Option<Arc<Processors>>,
    /// What is done because others serve the same log.
    pub(crate) shared: Option<Shared>,
}

impl Engine {
    /// Stops all of it, and saves how far it came.
    async fn shutdown(self) {
        if let Some(shared) = self.shared {
            shared.end().await;
        }
        if let Some(processors) = self.processors {
            processors.shutdown().await;
        }
        self.groups.shutdown().await;
    }
}

/// What a server says when it has started.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// Where it listens.
    pub address: SocketAddr,
    /// Where the further listener for metrics and health is, if there is one.
    pub metrics: Option<SocketAddr>,
    /// Where its data is, for people: a folder, host and database, or `memory`.
    pub store: String,
    /// The folder its data is in; `None` where it is in none.
    pub folder: Option<PathBuf>,
    /// What an acknowledgement survives.
    pub durability: DurabilityClass,
    /// What makes the store keep less than it could, such as `synchronous_commit=off`.
    pub lowered: Vec<String>,
    /// Whether there are keys.
    pub keys: bool,
}

/// The groups of a backend, run by this process.
pub(crate) fn open_groups(
    backend: &Backend,
    config: &Config,
) -> impl Future<Output = Result<Arc<Groups>, ServeError>> + Send + use<> {
    let (store, checkpoints) = (Arc::clone(&backend.store), Arc::clone(&backend.checkpoints));
    let owner = backend.owner();
    let options = GroupsOptions { lease: config.lease, claims: config.roles.processors };
    async move {
        let opened = Groups::open_with(store, checkpoints, Arc::new(SystemClock), owner, options).await;
        opened.map_err(|error| ServeError::Groups { reason: error.to_string() })
    }
}

fn serve_at(rim: Rim, listener: TcpListener, router: Router) -> Result<Serving, ServeError> {
    let address = listener.local_addr().ok();
    rim.start(listener, router).map_err(|source| {
        let (host, port) =
            address.map_or_else(Default::default, |address| (address.ip().to_string(), address.port()));
        ServeError::Address { host, port, source }
    })
}

/// The further listener, with a number of connections of its own.
pub(crate) struct Further {
    pub(crate) listener: TcpListener,
    pub(crate) most: usize,
}

impl Further {
    fn serve(self, mut rim: Rim, router: Router) -> Result<Serving, ServeError> {
        rim.config = Arc::new(Config { max_connections: self.most, ..(*rim.config).clone() });
        serve_at(rim, self.listener, router)
    }
}

/// How far the groups are, again and again.
async fn measure(groups: Arc<Groups>, telemetry: Arc<Telemetry>) {
    let mut interval = tokio::time::interval(WATCH);
    loop {
        interval.tick().await;
        // What cannot be read now is measured next time; whoever uses the group is told why.
        let Ok(all) = groups.list_of_all_tenants().await else { continue };
        let lag = all.iter().map(|group| group.lag).max().unwrap_or(0);
        telemetry.set_groups(lag, all.iter().map(|group| group.statistics.parked).sum());
    }
}

impl Running {
    /// Serves these routers on these listeners, the second on the further one.
    pub(crate) fn begin(
        rim: Rim,
        backend: Backend,
        engine: Engine,
        (main, further): (TcpListener, Option<Further>),
        (routes, watched): (Router, Router),
    ) -> Result<Self, ServeError> {
        let StoreReport { durability, lowered, .. } = (backend.probe)();
        let keys = !rim.authority.is_open();
        let measured = measure(Arc::clone(&engine.groups), Arc::clone(&rim.telemetry));
        let watch = AbortOnDropHandle::new(tokio::spawn(measured));
        let further = further.map(|further| further.serve(rim.clone(), watched)).transpose()?;
        let serving = serve_at(rim, main, routes)?;
        let report = Report {
            address: serving.address(),
            metrics: further.as_ref().map(Serving::address),
            store: backend.place.clone(),
            folder: backend.folder.clone(),
            durability,
            lowered,
            keys,
        };
        Ok(Self { report, serving, further, watch, engine, close: backend.close })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.report.address
    }

    /// Its base URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.report.address)
    }

    /// What it says when it has started.
    pub fn report(&self) -> &Report {
        &self.report
    }

    pub(crate) async fn until(self, shutdown: impl Future<Output = ()>) -> Result<(), ServeError> {
        let Report { address, durability, keys, store, lowered, .. } = &self.report;
        tracing::info!(%address, store, ?durability, ?lowered, keys, "started");
        shutdown.await;
        tracing::info!("stopping");
        let stopped = self.stop().await;
        tracing::info!(clean = stopped.is_ok(), "stopped");
        stopped
    }

    /// Stops in good order: no new connections, the requests in flight, then the processors, the groups' checkpoints
    /// and the store. Takes at most the configured drain time, and 10 s for the rest.
    pub async fn stop(self) -> Result<(), ServeError> {
        let further = async {
            match self.further {
                Some(further) => further.stop().await,
                None => 0,
            }
        };
        let (cut, cut_there) = tokio::join!(self.serving.stop(), further);
        let cut = cut + cut_there;
        if cut > 0 {
            tracing::warn!(connections = cut, "connections were cut: they did not end in time");
        }
        drop(self.watch);
        let (engine, close) = (self.engine, self.close);
        let rest = async move {
            engine.shutdown().await;
            close.await
        };
        let closed = timeout(CLOSE, rest).await.unwrap_or_else(|_| Err(format!("not done in {CLOSE:?}")));
        closed.map_err(|reason| ServeError::Close { reason })
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { address, metrics, store, durability, lowered, keys, .. } = self;
        let survives = match durability {
            DurabilityClass::Volatile => "events are gone with the process",
            DurabilityClass::Buffered => "an acknowledged event survives a kill, not a power cut",
            DurabilityClass::Synced => "an acknowledged event survives a power cut",
            _ => "an acknowledged event survives the loss of a replica",
        };
        let who = if *keys { "callers with a key" } else { "everybody who reaches it, any tenant" };
        writeln!(f, "gesta {} on http://{address}", env!("CARGO_PKG_VERSION"))?;
        write!(f, "  data      {store}: {survives}")?;
        if lowered.is_empty() { writeln!(f) } else { writeln!(f, " ({})", lowered.join(", ")) }?;
        if let Some(metrics) = metrics {
            writeln!(f, "  metrics   http://{metrics}/metrics")?;
        }
        write!(f, "  open to   {who}")
    }
}
