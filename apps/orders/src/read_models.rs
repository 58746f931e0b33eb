//! What can be asked about orders: one file for each question, with the table that answers it.
//!
//! A read model is derived: it is built from the events of orders, each event exactly once, and can be dropped and
//! built again alone, while the others answer.

use gesta::{Event, ProjectionError, upcast};
use gesta_core::{Filter, RecordedEvent, Tenant, Timestamp, read_model::ReadModelError};
use uuid::Uuid;

use crate::domain::order::{OrderEvent, OrderStatus};

pub mod order_by_id;
pub mod orders_by_customer;
pub mod orders_by_status;

use OrderStatus::{Cancelled, Confirmed, Created, Delivered, Shipped};

/// The durable names of the projections that maintain them.
pub const NAMES: [&str; 3] = [order_by_id::NAME, orders_by_customer::NAME, orders_by_status::NAME];

/// The events that the read models are made of. What else was put into an order's stream is none of theirs.
fn order_events() -> Filter {
    Filter::of(Tenant::default()).categories(["order"]).types(OrderEvent::types())
}

/// An event as the application knows it: of which order, what, and when it happened.
///
/// Fails on a stream that no command could have named: whoever may append to streams may write to `order-foo`, and one
/// row that cannot be read takes its page with it.
fn read(event: &RecordedEvent) -> Result<(Uuid, OrderEvent, Timestamp), ProjectionError> {
    let order_id = order_id(event.stream.key())?;
    let at = event.metadata()?.occurred_at.unwrap_or(event.recorded_at);
    upcast::decode(event).map(|known| (order_id, known, at)).map_err(ProjectionError::new)
}

/// The order that a stream is of. Other spellings of its id name other streams, so one alone counts.
fn order_id(key: &str) -> Result<Uuid, ProjectionError> {
    let id = Uuid::parse_str(key).ok().filter(|id| id.hyphenated().to_string() == key);
    id.ok_or_else(|| {
        ProjectionError::new("the stream is of no order: the key of an order's is a UUID in lower case")
    })
}

/// The status an event leads to; `None` when it leaves the status as it is.
fn status_after(event: &OrderEvent) -> Option<OrderStatus> {
    match event {
        OrderEvent::Created(_) => Some(Created),
        OrderEvent::ItemsUpdated(_) => None,
        OrderEvent::Confirmed(_) => Some(Confirmed),
        OrderEvent::Shipped(_) => Some(Shipped),
        OrderEvent::Delivered(_) => Some(Delivered),
        OrderEvent::Cancelled(_) => Some(Cancelled),
    }
}

/// A status as a column holds it.
fn status_from(text: &str) -> Result<OrderStatus, ReadModelError> {
    let known = OrderStatus::ALL.into_iter().find(|status| status.as_str() == text);
    known.ok_or_else(|| unreadable("status", "it holds no status of an order: rebuild the read model"))
}

fn unreadable(column: &str, reason: impl Into<String>) -> ReadModelError {
    ReadModelError::Column { column: column.to_owned(), reason: reason.into() }
}
