//! The rim: everything between the network and the routes.
//!
//! Any routes can be served with it. From the outside in: the accept loop with its limits, measuring and logging,
//! pages of other origins, and the gate that the guard of each route asks.

use std::{net::SocketAddr, path::Path, sync::Arc, time::Duration};

use axum::{Extension, Router, middleware::from_fn_with_state};
use tokio::net::TcpListener;
use tokio_util::{
    sync::{CancellationToken, DropGuard},
    task::AbortOnDropHandle,
};

use crate::{
    accept,
    auth::Authority,
    config::Config,
    cors::{self, Origins},
    error::ServeError,
    gate::Gate,
    listen,
    quota::Quota,
    telemetry::{self, Observer, Telemetry},
};

/// How often gauges are brought up to date and the keys file is looked at.
const UPKEEP: Duration = Duration::from_secs(1);

/// Everything between the network and the routes of one listener.
#[derive(Clone)]
pub struct Rim {
    pub(crate) config: Arc<Config>,
    pub(crate) authority: Arc<Authority>,
    pub(crate) quota: Arc<Quota>,
    pub(crate) telemetry: Arc<Telemetry>,
    pub(crate) gate: Arc<Gate>,
    pub(crate) stop: CancellationToken,
}

/// Routes being served. Dropped without [`Serving::stop`], they stop at once and what is in flight is cut.
pub struct Serving {
    address: SocketAddr,
    stop: DropGuard,
    accepting: AbortOnDropHandle<usize>,
    _upkeep: AbortOnDropHandle<()>,
}

impl Rim {
    /// A rim for a listener at this address, guarded by the keys of a file. Fails when the network would be let in
    /// unguarded, and when the keys cannot be read.
    pub fn new(config: Config, address: SocketAddr, keys: Option<&Path>) -> Result<Self, ServeError> {
        let authority = Arc::new(listen::authority(&config, address, keys)?);
        let quota = Quota::new(&config);
        let gate = Gate::new(Arc::clone(&authority), Arc::clone(&quota), &config);
        let (telemetry, stop) = (Telemetry::new(), CancellationToken::new());
        Ok(Self { config: Arc::new(config), authority, quota, telemetry, gate, stop })
    }

    /// The same with the layers of a server around routes that were made with [`crate::auth::Guarded`].
    pub fn around(&self, router: Router) -> Router {
        let observer = Observer { telemetry: Arc::clone(&self.telemetry), log: self.config.request_log };
        let mut router = router.layer(Extension(Arc::clone(&self.gate)));
        if !self.config.allowed_origins.is_empty() {
            let origins = Origins::of(&self.config.allowed_origins);
            router = router.layer(from_fn_with_state(origins, cors::share));
        }
        router.layer(from_fn_with_state(observer, telemetry::observe))
    }

    /// Serves these routes.
    pub fn start(self, listener: TcpListener, router: Router) -> std::io::Result<Serving> {
        let address = listener.local_addr()?;
        let router = self.around(router);
        let stop = self.stop.clone().drop_guard();
        let upkeep = AbortOnDropHandle::new(tokio::spawn(self.clone().keep_up()));
        let accepting = tokio::spawn(async move {
            accept::serve(listener, router, &self.config, self.telemetry, self.stop).await
        });
        Ok(Serving { address, stop, accepting: AbortOnDropHandle::new(accepting), _upkeep: upkeep })
    }

    /// Folds histograms, brings gauges up to date and looks at the keys file, until aborted.
    async fn keep_up(self) {
        let mut interval = tokio::time::interval(UPKEEP);
        loop {
            interval.tick().await;
            self.telemetry.upkeep();
            self.telemetry.set_sse_clients(self.quota.sse_clients());
            match self.authority.reload() {
                Ok(true) => tracing::info!("the keys file was read again"),
                Ok(false) => {}
                Err(error) => tracing::error!(%error, "the former keys stay in force"),
            }
        }
    }

    /// What is measured.
    pub fn telemetry(&self) -> Arc<Telemetry> {
        Arc::clone(&self.telemetry)
    }
}

impl Serving {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Stops accepting, ends SSE streams, waits for the requests in flight up to the configured drain time, and
    /// answers how many connections had to be cut.
    pub async fn stop(self) -> usize {
        drop(self.stop);
        let cut = self.accepting.await;
        cut.inspect_err(|error| tracing::error!(%error, "the accept loop ended badly")).unwrap_or_default()
    }
}
