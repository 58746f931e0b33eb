//! Projections: pure functions from events to rows, run exactly once.

use gesta_core::{Filter, RecordedEvent};

mod error;
pub(crate) mod generation;
mod handler;
mod page;
mod rows;
mod table;

pub use error::ProjectionError;
pub(crate) use handler::{ProjectionHandler, name_of};
pub use page::{Page, PageRequest};
pub use rows::Rows;
pub use table::Table;
pub(crate) use table::fingerprint;

/// A pure function from events to the rows of its tables: a read model.
///
/// It says what is written and writes nothing itself: [`Processors`](crate::Processors) runs it, commits its rows
/// together with its checkpoint, and builds it anew beside the old one when it has changed. So every event takes effect
/// exactly once, and a projection is tested without a database by looking at the statements it makes.
///
/// It must depend on nothing but the events it was given: no clock, no random number, no other table. Then a rebuild
/// gives the same rows. Times come from the event.
///
/// ```
/// use gesta::{Projection, ProjectionError, Rows, Table};
/// use gesta_core::{Filter, RecordedEvent, Tenant, values};
///
/// struct OrderStatus;
///
/// impl Projection for OrderStatus {
///     fn name(&self) -> &str { "order-status-projection" }
///
///     fn filter(&self) -> Filter { Filter::of(Tenant::default()).categories(["order"]) }
///
///     fn tables(&self) -> Vec<Table> {
///         vec![Table::new("order_status", "CREATE TABLE {order_status} (order_id TEXT PRIMARY KEY, status TEXT NOT NULL)")]
///     }
///
///     fn project(&self, event: &RecordedEvent, rows: &mut Rows) -> Result<(), ProjectionError> {
///         let id = event.stream.key();
///         match &*event.event_type {
///             "OrderCreated" => rows.execute("INSERT INTO {order_status} VALUES ($1, 'Created')", values![id]),
///             "OrderShipped" => {
///                 rows.execute("UPDATE {order_status} SET status = 'Shipped' WHERE order_id = $1", values![id]);
///             }
///             _ => {}
///         }
///         Ok(())
///     }
/// }
/// ```
#[doc(alias = "materializer")]
#[doc(alias = "view")]
pub trait Projection: Send + Sync + 'static {
    /// The durable name: letters, digits and `. _ -`, at most 64.
    fn name(&self) -> &str;

    /// Raise it when [`project`](Projection::project) means something else than before: at the next start the read model
    /// is rebuilt. A change of [`tables`](Projection::tables) is noticed without.
    fn version(&self) -> u32 {
        1
    }

    /// Which events it wants. With a tenant it is that tenant's; without one it reads all, and keeps them apart itself.
    fn filter(&self) -> Filter;

    /// The tables it maintains, at least one. Queries name them as they are named here.
    fn tables(&self) -> Vec<Table>;

    /// Says what an event does to the rows. An error means that it cannot be projected, now or ever.
    fn project(&self, event: &RecordedEvent, rows: &mut Rows) -> Result<(), ProjectionError>;
}

/// The page for users, so that its program compiles and runs.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/projections.md")]
struct UserPage;

/// The page on PostgreSQL, so that its program compiles.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/postgres.md")]
struct PostgresPage;
