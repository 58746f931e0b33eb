//! Which orders has this customer?

use gesta::{Page, PageRequest, Projection, ProjectionError, Rows, Table};
use gesta_core::{
    Filter, RecordedEvent, Timestamp,
    read_model::{ReadModelError, ReadModelStore, Row, Statement},
    values,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{order_events, read, status_after, status_from};
use crate::domain::order::{OrderEvent, OrderStatus};

/// The durable name.
pub const NAME: &str = "orders-by-customer-projection";

/// One row for each order, found by its customer.
#[derive(Debug, Clone, Copy, Default)]
pub struct OrdersByCustomerProjection;

impl Projection for OrdersByCustomerProjection {
    fn name(&self) -> &str {
        NAME
    }

    fn filter(&self) -> Filter {
        order_events()
    }

    fn tables(&self) -> Vec<Table> {
        // The key is read backwards for the newest first; the two databases share no descending primary key.
        let create = "CREATE TABLE {orders_by_customer} (
            customer_id TEXT NOT NULL,
            created_at BIGINT NOT NULL,
            order_id TEXT NOT NULL,
            status TEXT NOT NULL,
            PRIMARY KEY (customer_id, created_at, order_id)
        )";
        let index = "CREATE UNIQUE INDEX {orders_by_customer}_order ON {orders_by_customer} (order_id)";
        vec![Table::new("orders_by_customer", create).with(index)]
    }

    fn project(&self, event: &RecordedEvent, rows: &mut Rows) -> Result<(), ProjectionError> {
        let (id, known, at) = read(event)?;
        match (&known, status_after(&known)) {
            (OrderEvent::Created(created), _) => rows.execute(
                "INSERT INTO {orders_by_customer} (customer_id, created_at, order_id, status) VALUES ($1, $2, $3, $4)",
                values![created.customer_id, at, id, OrderStatus::Created.as_str()],
            ),
            (_, Some(status)) => rows.execute(
                "UPDATE {orders_by_customer} SET status = $2 WHERE order_id = $1",
                values![id, status.as_str()],
            ),
            (_, None) => {}
        }
        Ok(())
    }
}

/// An order in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = ListedOrderView)]
pub struct ListedOrder {
    /// Its id.
    pub order_id: Uuid,
    /// For whom.
    pub customer_id: Uuid,
    /// How far it is.
    pub status: OrderStatus,
    /// When it was placed.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
}

/// The orders of a customer, newest first.
pub async fn list(
    store: &dyn ReadModelStore,
    customer_id: Uuid,
    page: PageRequest,
) -> Result<Page<ListedOrder>, ReadModelError> {
    let select = "SELECT order_id, customer_id, status, created_at FROM orders_by_customer WHERE customer_id = $1 \
                  ORDER BY created_at DESC, order_id";
    Page::of(store, Statement::new(select, values![customer_id]), page, row).await
}

/// Reads a row of either list.
pub(super) fn row(row: &Row) -> Result<ListedOrder, ReadModelError> {
    Ok(ListedOrder {
        order_id: row.get("order_id")?,
        customer_id: row.get("customer_id")?,
        status: status_from(&row.get::<String>("status")?)?,
        created_at: row.get("created_at")?,
    })
}
