//! Sums, once of the file and once of the read models: they have to agree.

use std::collections::BTreeMap;

use gesta_core::read_model::{ReadModelError, ReadModelStore};
use serde::Serialize;
use uuid::Uuid;

use super::plan::{Plan, Step};
use crate::{
    domain::order::{OrderCommand, OrderItem, OrderStatus},
    read_models::order_by_id,
};

/// What orders come to together.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Totals {
    /// How many orders.
    pub orders: u64,
    /// How many things were ordered.
    pub quantity: i64,
    /// What they cost without freight, in cents.
    pub price_cents: i128,
    /// What their freight costs, in cents.
    pub freight_cents: i128,
    /// How many orders of each status.
    pub by_status: BTreeMap<&'static str, u64>,
    /// How many orders of each customer.
    #[serde(skip)]
    pub by_customer: BTreeMap<Uuid, u64>,
}

impl Totals {
    fn add(&mut self, customer_id: Uuid, status: OrderStatus, items: &[OrderItem]) {
        self.orders += 1;
        *self.by_status.entry(status.as_str()).or_default() += 1;
        *self.by_customer.entry(customer_id).or_default() += 1;
        for item in items {
            let quantity = i128::from(item.quantity);
            self.quantity += i64::from(item.quantity);
            self.price_cents += i128::from(item.unit_price_cents.unwrap_or(0)) * quantity;
            self.freight_cents += i128::from(item.unit_freight_cents.unwrap_or(0)) * quantity;
        }
    }
}

/// The sums of the file, as if the rules refused nothing.
pub(super) fn of_file(plans: &[Plan]) -> Totals {
    let mut totals = Totals::default();
    for plan in plans {
        let Some(Step { command: OrderCommand::CreateOrder { customer_id, items }, .. }) = plan.steps.first()
        else {
            continue;
        };
        totals.add(*customer_id, last_status(plan), items);
    }
    totals
}

fn last_status(plan: &Plan) -> OrderStatus {
    match plan.steps.last().map(|step| &step.command) {
        Some(OrderCommand::ConfirmOrder) => OrderStatus::Confirmed,
        Some(OrderCommand::ShipOrder { .. }) => OrderStatus::Shipped,
        Some(OrderCommand::DeliverOrder { .. }) => OrderStatus::Delivered,
        Some(OrderCommand::CancelOrder { .. }) => OrderStatus::Cancelled,
        _ => OrderStatus::Created,
    }
}

/// The sums of these orders as their rows tell them.
pub(super) async fn of_read_models(
    store: &dyn ReadModelStore,
    orders: impl Iterator<Item = Uuid>,
) -> Result<Totals, ReadModelError> {
    let mut totals = Totals::default();
    for order_id in orders {
        if let Some(row) = order_by_id::find(store, order_id).await? {
            totals.add(row.customer_id, row.status, &row.items);
        }
    }
    Ok(totals)
}
