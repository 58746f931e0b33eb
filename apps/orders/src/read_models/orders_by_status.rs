//! Which orders are so far?

use gesta::{Page, PageRequest, Projection, ProjectionError, Rows, Table};
use gesta_core::{
    Filter, RecordedEvent,
    read_model::{ReadModelError, ReadModelStore, Statement, Value},
    values,
};

use super::{
    order_events,
    orders_by_customer::{ListedOrder, row},
    read, status_after,
};
use crate::domain::order::{OrderEvent, OrderStatus};

/// The durable name.
pub const NAME: &str = "orders-by-status-projection";

/// One row for each order, found by its status.
#[derive(Debug, Clone, Copy, Default)]
pub struct OrdersByStatusProjection;

impl Projection for OrdersByStatusProjection {
    fn name(&self) -> &str {
        NAME
    }

    fn filter(&self) -> Filter {
        order_events()
    }

    fn tables(&self) -> Vec<Table> {
        // The key is read backwards for the newest first; the two databases share no descending primary key.
        let create = "CREATE TABLE {orders_by_status} (
            status TEXT NOT NULL,
            created_at BIGINT NOT NULL,
            order_id TEXT NOT NULL,
            customer_id TEXT NOT NULL,
            PRIMARY KEY (status, created_at, order_id)
        )";
        let index = "CREATE UNIQUE INDEX {orders_by_status}_order ON {orders_by_status} (order_id)";
        vec![Table::new("orders_by_status", create).with(index)]
    }

    fn project(&self, event: &RecordedEvent, rows: &mut Rows) -> Result<(), ProjectionError> {
        let (id, known, at) = read(event)?;
        match (&known, status_after(&known)) {
            (OrderEvent::Created(created), _) => rows.execute(
                "INSERT INTO {orders_by_status} (status, created_at, order_id, customer_id) VALUES ($1, $2, $3, $4)",
                values![OrderStatus::Created.as_str(), at, id, created.customer_id],
            ),
            // The status is part of the key: this takes the old row away and adds the new one, in one statement.
            (_, Some(status)) => rows.execute(
                "UPDATE {orders_by_status} SET status = $2 WHERE order_id = $1",
                values![id, status.as_str()],
            ),
            (_, None) => {}
        }
        Ok(())
    }
}

/// The orders of any of these statuses, newest first.
pub async fn list(
    store: &dyn ReadModelStore,
    statuses: &[OrderStatus],
    page: PageRequest,
) -> Result<Page<ListedOrder>, ReadModelError> {
    let places: Vec<String> = (1..=statuses.len()).map(|place| format!("${place}")).collect();
    let select = format!(
        "SELECT order_id, customer_id, status, created_at FROM orders_by_status WHERE status IN ({}) \
         ORDER BY created_at DESC, order_id",
        places.join(", ")
    );
    let statuses = statuses.iter().map(|status| Value::from(status.as_str()));
    Page::of(store, Statement::new(select, statuses), page, row).await
}
