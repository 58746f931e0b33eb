//! How is this order?

use gesta::{Projection, ProjectionError, Rows, Table};
use gesta_core::{
    Filter, RecordedEvent,
    read_model::{ReadModelError, ReadModelStore, Row, Statement},
    values,
};
use uuid::Uuid;

use super::{order_events, read, status_after, status_from, unreadable};
use crate::domain::order::{OrderEvent, OrderStatus, PlacedOrder};

/// The durable name.
pub const NAME: &str = "order-read-model-projection";

/// One row for each order, kept when it is cancelled.
#[derive(Debug, Clone, Copy, Default)]
pub struct OrderReadModelProjection;

impl Projection for OrderReadModelProjection {
    fn name(&self) -> &str {
        NAME
    }

    fn filter(&self) -> Filter {
        order_events()
    }

    fn tables(&self) -> Vec<Table> {
        let create = "CREATE TABLE {order_read_model} (
            order_id TEXT PRIMARY KEY,
            customer_id TEXT NOT NULL,
            items TEXT NOT NULL,
            status TEXT NOT NULL,
            created_at BIGINT NOT NULL,
            updated_at BIGINT NOT NULL,
            version BIGINT NOT NULL,
            is_deleted BOOLEAN NOT NULL,
            deleted_at BIGINT
        )";
        vec![Table::new("order_read_model", create)]
    }

    fn project(&self, event: &RecordedEvent, rows: &mut Rows) -> Result<(), ProjectionError> {
        let (id, known, at) = read(event)?;
        let version = event.version;
        match &known {
            OrderEvent::Created(created) => {
                let items = serde_json::to_string(&created.items)?;
                rows.execute(
                    "INSERT INTO {order_read_model} (order_id, customer_id, items, status, created_at, updated_at, \
                     version, is_deleted, deleted_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, NULL)",
                    values![id, created.customer_id, items, OrderStatus::Created.as_str(), at, at, version, false],
                );
            }
            OrderEvent::ItemsUpdated(updated) => rows.execute(
                "UPDATE {order_read_model} SET items = $2, version = $3, updated_at = $4 WHERE order_id = $1",
                values![id, serde_json::to_string(&updated.items)?, version, at],
            ),
            other => rows.execute(
                "UPDATE {order_read_model} SET status = $2, version = $3, updated_at = $4 WHERE order_id = $1",
                values![id, status_after(other).map(OrderStatus::as_str), version, at],
            ),
        }
        Ok(())
    }
}

/// The order with this id, without what its events alone tell: its parcel, and why it was given up. `None` if no event of
/// it was projected yet.
pub async fn find(store: &dyn ReadModelStore, order_id: Uuid) -> Result<Option<PlacedOrder>, ReadModelError> {
    let select = "SELECT order_id, customer_id, items, status, created_at, updated_at, version \
                  FROM order_read_model WHERE order_id = $1";
    let rows = store.query(Statement::new(select, values![order_id])).await?;
    rows.first().map(row).transpose()
}

fn row(row: &Row) -> Result<PlacedOrder, ReadModelError> {
    let items: String = row.get("items")?;
    Ok(PlacedOrder {
        id: row.get("order_id")?,
        customer_id: row.get("customer_id")?,
        items: serde_json::from_str(&items).map_err(|error| unreadable("items", error.to_string()))?,
        status: status_from(&row.get::<String>("status")?)?,
        created_at: row.get("created_at")?,
        updated_at: row.get("updated_at")?,
        version: row.get("version")?,
        tracking_number: None,
        carrier: None,
        cancelled_reason: None,
    })
}
