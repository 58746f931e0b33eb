//! The routes of the application. Gesta's own stand beside them: streams, groups, processors, health.

use std::{sync::Arc, time::Duration};

use gesta::{Processors, Repository};
use gesta_core::{EventStore, Position, Tenant, read_model::ReadModelStore};
use gesta_server::{
    Failure,
    auth::{Access::Needs, Caller, Guarded, Permission, Routes},
};
use utoipa::openapi::{Info, License, OpenApiBuilder};
use utoipa_axum::routes;

use crate::{
    domain::{customer::Customer, order::Order},
    metrics::Metrics,
};

mod command;
mod customer_commands;
mod customer_queries;
mod envelope;
mod head;
mod order_commands;
mod order_queries;
mod query;
mod refusal;

pub use customer_commands::CustomerReply;
pub use envelope::{EventEnvelope, EventPage};
pub use order_commands::OrderReply;
pub use order_queries::{OrderPage, OrderView};

/// How long a query waits for a read model.
pub(crate) const PATIENCE: Duration = Duration::from_secs(5);

/// What the handlers share.
#[derive(Clone)]
pub(crate) struct Orders(pub(crate) Arc<Parts>);

/// What the handlers stand on.
pub(crate) struct Parts {
    pub(crate) store: Arc<dyn EventStore>,
    pub(crate) orders: Repository<Order>,
    pub(crate) customers: Repository<Customer>,
    pub(crate) processors: Arc<Processors>,
    pub(crate) read_models: Arc<dyn ReadModelStore>,
    pub(crate) metrics: Metrics,
}

impl Orders {
    /// Waits until a read model has seen everything up to a position, for a bounded time.
    async fn wait(&self, projection: &str, position: Position) -> Result<(), Failure> {
        let waited = self.0.processors.wait_for(projection, position, PATIENCE).await;
        waited.map(drop).map_err(|error| refusal::behind(&error))
    }

    /// Waits for what the caller has to see, if anything.
    async fn settle(&self, projection: &str, after: Option<u64>) -> Result<(), Failure> {
        match after {
            Some(position) => self.wait(projection, Position::new(position)).await,
            None => Ok(()),
        }
    }

    /// Waits until a read model has seen everything that was there when it was asked.
    async fn catch_up(&self, projection: &str) -> Result<(), Failure> {
        let head = self.0.store.head().await?;
        self.wait(projection, head.position).await
    }
}

/// Orders and customers belong to one tenant; a caller of another one finds nothing here.
fn check_tenant(caller: &Caller) -> Result<(), Failure> {
    if caller.tenant == Tenant::default() { Ok(()) } else { Err(refusal::other_tenant()) }
}

/// Every route of the application with what it asks of its caller.
pub(crate) fn guarded() -> Guarded<Orders> {
    let mut info = Info::new("Orders", env!("CARGO_PKG_VERSION"));
    info.description = Some("Orders and customers, a reference application of Gesta.".into());
    info.license = Some(License::new("MIT OR Apache-2.0"));
    let (write, read) = (Needs(Permission::StreamAppend), Needs(Permission::StreamRead));
    let none = Guarded::new(OpenApiBuilder::new().info(info).build());
    let commands = order_commands::routes().into_iter().chain(customer_commands::routes());
    commands
        .fold(none, |all, command| all.routes(write, command))
        .routes(read, routes!(order_queries::list))
        .routes(read, routes!(order_queries::show))
        .routes(read, routes!(order_queries::events))
        .routes(read, routes!(customer_queries::show))
}

/// The routes over these parts.
pub(crate) fn ready(parts: Parts) -> Routes {
    guarded().ready(Orders(Arc::new(parts)))
}
