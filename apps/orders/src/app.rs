//! The whole application on one backend: what decides, what answers, and the server around both.

use std::{sync::Arc, time::Duration};

use gesta::{
    Aggregate, Aggregates, OnFailure, ProcessorOptions, Processors, ProcessorsError, Repository,
    aggregate::RegisterError, snapshot::SnapshotPolicy,
};
use gesta_core::{SystemClock, read_model::ReadModelStore};
use gesta_server::{Backend, Config, Server};
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    domain::{customer::Customer, order::Order},
    http,
    metrics::{DeadLetterCount, Measured, Metrics, Watching},
    read_models::{
        order_by_id::OrderReadModelProjection, orders_by_customer::OrdersByCustomerProjection,
        orders_by_status::OrdersByStatusProjection,
    },
};

/// The application, before it takes requests.
pub struct Application {
    /// The server with the application's routes and Gesta's own.
    pub server: Server,
    /// What maintains the read models. A server that is started starts and stops them; beside a
    /// [`Server::service`] that is the caller's matter.
    pub processors: Arc<Processors>,
    /// Keeps the metrics up to date until it is dropped.
    pub watch: Watching,
}

/// Why there is no application on this backend.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AppError {
    /// Read models need a database beside the log.
    #[error("the backend offers no read models: use a store that does, such as the file store")]
    NoReadModels,
    /// Two aggregates cannot be told apart.
    #[error("the aggregates cannot be looked at: {0}")]
    Aggregates(#[from] RegisterError),
    /// The processors cannot be set up.
    #[error("the read models cannot be maintained: {0}")]
    Processors(#[from] ProcessorsError),
}

/// The application on this backend, which has to offer read models.
///
/// ```no_run
/// use gesta_file::Options;
/// use gesta_server::{Backend, Config};
///
/// # #[tokio::main]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let backend = Backend::file("orders-data", Options::default()).await?;
/// let app = orders::app(backend, Config::default()).await?;
/// app.server.serve(async { tokio::signal::ctrl_c().await.unwrap_or_default() }).await?;
/// # Ok(()) }
/// ```
pub async fn app(backend: Backend, config: Config) -> Result<Application, AppError> {
    let (read_models, metrics) = (read_models(&backend)?, Metrics::new());
    let processors = processors(&backend, config.lease, Some(&metrics)).await?;
    let orders = repository::<Order>(&backend).with_observer(metrics.telemetry());
    let customers = repository::<Customer>(&backend).with_observer(metrics.telemetry());
    let mut aggregates = Aggregates::new();
    aggregates.register(orders.clone())?;
    aggregates.register(customers.clone())?;
    let parts = http::Parts {
        store: backend.store(),
        orders,
        customers,
        processors: Arc::clone(&processors),
        read_models,
        metrics: metrics.clone(),
    };
    let watch = Watching::begin(metrics.clone(), Arc::clone(&processors));
    let server = Server::new(backend, config)
        .named("orders")
        .with_telemetry(metrics.telemetry())
        .with_routes(http::ready(parts))
        .with_aggregates(aggregates)
        .with_processors(Arc::clone(&processors));
    Ok(Application { server, processors, watch })
}

/// The database that the read models are in.
pub(crate) fn read_models(backend: &Backend) -> Result<Arc<dyn ReadModelStore>, AppError> {
    backend.read_models().ok_or(AppError::NoReadModels)
}

/// Loads and appends, with a snapshot every hundred events where they are kept.
pub(crate) fn repository<A: Aggregate + Serialize + DeserializeOwned>(backend: &Backend) -> Repository<A> {
    let repository = Repository::new(backend.store());
    match backend.snapshots() {
        Some(snapshots) => repository.with_snapshots(snapshots, SnapshotPolicy::default()),
        None => repository,
    }
}

/// What maintains the read models. An event that cannot be projected is left out by a recorded decision: one order is
/// then wrong until it is mended, and all others go on.
pub(crate) async fn processors(
    backend: &Backend,
    lease: Duration,
    metrics: Option<&Metrics>,
) -> Result<Arc<Processors>, AppError> {
    let unseen = Metrics::new();
    let metrics = metrics.unwrap_or(&unseen);
    let usual = || ProcessorOptions { lease, ..ProcessorOptions::default() };
    let options = || ProcessorOptions { on_failure: OnFailure::Skip, ..usual() };
    let clock = Arc::new(SystemClock);
    let processors = Processors::new(backend.store(), backend.checkpoints(), clock, backend.owner())
        .with_read_models(read_models(backend)?);
    processors.add_projection(Measured::new(OrderReadModelProjection, metrics), options()).await?;
    processors.add_projection(Measured::new(OrdersByCustomerProjection, metrics), options()).await?;
    processors.add_projection(Measured::new(OrdersByStatusProjection, metrics), options()).await?;
    processors.add_handler(Arc::new(DeadLetterCount(metrics.clone())), usual()).await?;
    Ok(Arc::new(processors))
}

/// The document of the application's own routes: OpenAPI 3.1, the same for every run of a release.
pub fn document() -> String {
    let mut text = http::guarded().document().to_pretty_json().expect("the document is JSON");
    text.push('\n');
    text
}
