//! The whole application on one backend: what decides, what answers, and the server around both.

use std::sync::Arc;

use gesta::{
    Aggregate, Aggregates, OnFailure, ProcessorOptions, Processors, ProcessorsError, Repository,
    aggregate::RegisterError, snapshot::SnapshotPolicy,
};
use gesta_core::{EventStore, SystemClock};
use gesta_file::FileStore;
use gesta_server::{Backend, Config, Server};
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    domain::{customer::Customer, order::Order},
    http,
    metrics::{DeadLetterCount, Measured, Metrics, Watch},
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

/// Keeps the metrics up to date until it is dropped.
pub struct Watching {
    _watch: Watch,
}

/// Why there is no application on this backend.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AppError {
    /// Read models need a database beside the log.
    #[error("the backend offers no read models: use the file store")]
    NoReadModels,
    /// Two aggregates cannot be told apart.
    #[error("the aggregates cannot be looked at: {0}")]
    Aggregates(#[from] RegisterError),
    /// The processors cannot be set up.
    #[error("the read models cannot be maintained: {0}")]
    Processors(#[from] ProcessorsError),
}

/// The application on this backend, which has to be a file store: read models live in its database.
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
    let file = backend.file_store().ok_or(AppError::NoReadModels)?;
    let (store, metrics) = (backend.store(), Metrics::new());
    let processors = processors(&file, &store, Some(&metrics)).await?;
    let (orders, customers) = (repository::<Order>(&file, &store), repository::<Customer>(&file, &store));
    let mut aggregates = Aggregates::new();
    aggregates.register(orders.clone())?;
    aggregates.register(customers.clone())?;
    let parts = http::Parts {
        store: Arc::clone(&store),
        orders,
        customers,
        processors: Arc::clone(&processors),
        read_models: file.read_models(),
        metrics: metrics.clone(),
    };
    let watch = Watching { _watch: Watch::begin(metrics.clone(), Arc::clone(&processors)) };
    let server = Server::new(backend, config)
        .named("orders")
        .with_telemetry(metrics.telemetry())
        .with_routes(http::ready(parts))
        .with_aggregates(aggregates)
        .with_processors(Arc::clone(&processors));
    Ok(Application { server, processors, watch })
}

/// Loads and appends, with a snapshot every hundred events.
pub(crate) fn repository<A: Aggregate + Serialize + DeserializeOwned>(
    file: &FileStore,
    store: &Arc<dyn EventStore>,
) -> Repository<A> {
    Repository::new(Arc::clone(store)).with_snapshots(file.snapshots(), SnapshotPolicy::default())
}

/// What maintains the read models. An event that cannot be projected is left out by a recorded decision: one order is
/// then wrong until it is mended, and all others go on.
pub(crate) async fn processors(
    file: &FileStore,
    store: &Arc<dyn EventStore>,
    metrics: Option<&Metrics>,
) -> Result<Arc<Processors>, ProcessorsError> {
    let unseen = Metrics::new();
    let metrics = metrics.unwrap_or(&unseen);
    let options = || ProcessorOptions { on_failure: OnFailure::Skip, ..ProcessorOptions::default() };
    let processors = Processors::new(Arc::clone(store), file.checkpoints(), Arc::new(SystemClock), "orders")
        .with_read_models(file.read_models());
    processors.add_projection(Measured::new(OrderReadModelProjection, metrics), options()).await?;
    processors.add_projection(Measured::new(OrdersByCustomerProjection, metrics), options()).await?;
    processors.add_projection(Measured::new(OrdersByStatusProjection, metrics), options()).await?;
    processors.add_handler(Arc::new(DeadLetterCount(metrics.clone())), ProcessorOptions::default()).await?;
    Ok(Arc::new(processors))
}

/// The document of the application's own routes: OpenAPI 3.1, the same for every run of a release.
pub fn document() -> String {
    let mut text = http::guarded().document().to_pretty_json().expect("the document is JSON");
    text.push('\n');
    text
}
