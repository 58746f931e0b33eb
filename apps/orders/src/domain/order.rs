//! An order: placed, confirmed, shipped, delivered, or cancelled on the way.

use std::fmt;

use gesta::{Aggregate, Context, Event};
use gesta_core::{Timestamp, Version};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

mod item;
mod rejection;

pub use item::OrderItem;
use item::check_items;
pub use rejection::OrderRejection;

use OrderStatus::{Cancelled, Confirmed, Created, Delivered, Shipped};

/// How far an order is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
pub enum OrderStatus {
    /// Placed; its items may still change.
    Created,
    /// Accepted; its items are final.
    Confirmed,
    /// With the carrier.
    Shipped,
    /// With the customer: final.
    Delivered,
    /// Given up before it was delivered: final.
    Cancelled,
}

impl OrderStatus {
    /// Every status, in the order of an order's life.
    pub const ALL: [Self; 5] = [Created, Confirmed, Shipped, Delivered, Cancelled];
    /// The statuses that the group name `ACTIVE` stands for.
    pub const ACTIVE: [Self; 3] = [Created, Confirmed, Shipped];

    /// Its name, as in events, read models and replies.
    pub const fn as_str(self) -> &'static str {
        match self {
            Created => "Created",
            Confirmed => "Confirmed",
            Shipped => "Shipped",
            Delivered => "Delivered",
            Cancelled => "Cancelled",
        }
    }
}

impl fmt::Display for OrderStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What an order is asked to do. The order's id is the key of the command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OrderCommand {
    /// Place it.
    CreateOrder {
        /// For whom.
        customer_id: Uuid,
        /// What was ordered.
        items: Vec<OrderItem>,
    },
    /// Order something else instead. The same items again are no change.
    UpdateItems {
        /// All items from now on.
        items: Vec<OrderItem>,
        /// Why.
        reason: Option<String>,
    },
    /// Accept it.
    ConfirmOrder,
    /// Hand it to a carrier.
    ShipOrder {
        /// The carrier's number of the parcel.
        tracking_number: String,
        /// The carrier.
        carrier: String,
    },
    /// Hand it to the customer.
    DeliverOrder {
        /// Who signed for it.
        signature: Option<String>,
    },
    /// Give it up.
    CancelOrder {
        /// Why.
        reason: Option<String>,
        /// By whom.
        cancelled_by: Option<Uuid>,
    },
}

impl OrderCommand {
    /// The statuses from which it is allowed; none for the one that begins an order.
    pub const fn allowed_from(&self) -> &'static [OrderStatus] {
        match self {
            Self::CreateOrder { .. } => &[],
            Self::UpdateItems { .. } | Self::ConfirmOrder => &[Created],
            Self::ShipOrder { .. } => &[Confirmed],
            Self::DeliverOrder { .. } => &[Shipped],
            Self::CancelOrder { .. } => &OrderStatus::ACTIVE,
        }
    }

    /// Why it is refused to an order of another status than it is allowed from.
    fn refused(&self, actual: OrderStatus) -> OrderRejection {
        let expected = self.allowed_from();
        match (self, actual) {
            (Self::CreateOrder { .. }, _) => OrderRejection::AlreadyExists { actual },
            (Self::UpdateItems { .. } | Self::CancelOrder { .. }, Cancelled) => {
                OrderRejection::AlreadyCancelled { expected }
            }
            (Self::ConfirmOrder, Confirmed) => OrderRejection::AlreadyConfirmed,
            (Self::ShipOrder { .. }, Created) => OrderRejection::NotConfirmed,
            (Self::DeliverOrder { .. }, _) => OrderRejection::NotShipped { actual },
            _ => OrderRejection::InvalidStatusTransition { expected, actual },
        }
    }
}

/// What happened to an order.
#[derive(Debug, Clone, PartialEq, Eq, Event)]
pub enum OrderEvent {
    /// It was placed.
    #[event(name = "OrderCreated")]
    Created(OrderCreated),
    /// Its items changed.
    #[event(name = "OrderItemsUpdated")]
    ItemsUpdated(OrderItemsUpdated),
    /// It was accepted.
    #[event(name = "OrderConfirmed")]
    Confirmed(OrderConfirmed),
    /// The carrier has it.
    #[event(name = "OrderShipped")]
    Shipped(OrderShipped),
    /// The customer has it.
    #[event(name = "OrderDelivered")]
    Delivered(OrderDelivered),
    /// It was given up.
    #[event(name = "OrderCancelled")]
    Cancelled(OrderCancelled),
}

/// An order was placed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderCreated {
    /// For whom.
    pub customer_id: Uuid,
    /// What was ordered.
    pub items: Vec<OrderItem>,
}

/// The items of an order changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderItemsUpdated {
    /// All items from now on.
    pub items: Vec<OrderItem>,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// An order was accepted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderConfirmed {
    /// When.
    pub confirmed_at: Timestamp,
}

/// An order was handed to a carrier.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderShipped {
    /// The carrier's number of the parcel.
    pub tracking_number: String,
    /// The carrier.
    pub carrier: String,
    /// When.
    pub shipped_at: Timestamp,
}

/// An order was handed to the customer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderDelivered {
    /// When.
    pub delivered_at: Timestamp,
    /// Who signed for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<String>,
}

/// An order was given up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderCancelled {
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// By whom.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cancelled_by: Option<Uuid>,
}

/// An order as its events tell it; nothing before it was placed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Order(pub Option<PlacedOrder>);

/// An order that was placed. Its times are those of its events.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlacedOrder {
    /// Its id.
    pub id: String,
    /// The number of its events.
    pub version: Version,
    /// For whom.
    pub customer_id: Uuid,
    /// What was ordered.
    pub items: Vec<OrderItem>,
    /// How far it is.
    pub status: OrderStatus,
    /// When it was placed.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// The carrier's number of the parcel.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tracking_number: Option<String>,
    /// The carrier.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub carrier: Option<String>,
    /// Why it was given up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cancelled_reason: Option<String>,
}

impl Aggregate for Order {
    const CATEGORY: &'static str = "order";
    type Command = OrderCommand;
    type Event = OrderEvent;
    type Rejection = OrderRejection;

    fn decide(
        &self,
        command: &OrderCommand,
        context: &Context<'_>,
    ) -> Result<Vec<OrderEvent>, OrderRejection> {
        match (&self.0, command) {
            (None, OrderCommand::CreateOrder { customer_id, items }) => {
                check_items(items)?;
                let created = OrderCreated { customer_id: *customer_id, items: items.clone() };
                Ok(vec![OrderEvent::Created(created)])
            }
            (None, _) => Err(OrderRejection::NotInitialized),
            (Some(order), command) => order.decide(command, context.at),
        }
    }

    fn apply(&mut self, event: &OrderEvent, context: &Context<'_>) {
        match (&mut self.0, event) {
            (_, OrderEvent::Created(created)) => self.0 = Some(PlacedOrder::new(created, context)),
            (Some(order), event) => order.apply(event, context),
            // What was never placed by this application is no order.
            (None, _) => {}
        }
    }
}

impl PlacedOrder {
    fn new(created: &OrderCreated, context: &Context<'_>) -> Self {
        Self {
            id: context.id.to_owned(),
            version: context.version,
            customer_id: created.customer_id,
            items: created.items.clone(),
            status: Created,
            created_at: context.at,
            updated_at: context.at,
            tracking_number: None,
            carrier: None,
            cancelled_reason: None,
        }
    }

    fn decide(&self, command: &OrderCommand, at: Timestamp) -> Result<Vec<OrderEvent>, OrderRejection> {
        if !command.allowed_from().contains(&self.status) {
            return Err(command.refused(self.status));
        }
        let event = match command {
            OrderCommand::CreateOrder { .. } => return Err(command.refused(self.status)),
            OrderCommand::UpdateItems { items, reason } => {
                check_items(items)?;
                if *items == self.items {
                    return Ok(vec![]);
                }
                let (items, reason) = (items.clone(), reason.clone());
                OrderEvent::ItemsUpdated(OrderItemsUpdated { items, reason })
            }
            OrderCommand::ConfirmOrder => OrderEvent::Confirmed(OrderConfirmed { confirmed_at: at }),
            OrderCommand::ShipOrder { tracking_number, carrier } => OrderEvent::Shipped(OrderShipped {
                tracking_number: tracking_number.clone(),
                carrier: carrier.clone(),
                shipped_at: at,
            }),
            OrderCommand::DeliverOrder { signature } => {
                OrderEvent::Delivered(OrderDelivered { delivered_at: at, signature: signature.clone() })
            }
            OrderCommand::CancelOrder { reason, cancelled_by } => {
                OrderEvent::Cancelled(OrderCancelled { reason: reason.clone(), cancelled_by: *cancelled_by })
            }
        };
        Ok(vec![event])
    }

    fn apply(&mut self, event: &OrderEvent, context: &Context<'_>) {
        match event {
            OrderEvent::Created(_) => {}
            OrderEvent::ItemsUpdated(updated) => self.items.clone_from(&updated.items),
            OrderEvent::Confirmed(_) => self.status = Confirmed,
            OrderEvent::Shipped(shipped) => {
                self.status = Shipped;
                self.tracking_number = Some(shipped.tracking_number.clone());
                self.carrier = Some(shipped.carrier.clone());
            }
            OrderEvent::Delivered(_) => self.status = Delivered,
            OrderEvent::Cancelled(cancelled) => {
                self.status = Cancelled;
                self.cancelled_reason.clone_from(&cancelled.reason);
            }
        }
        self.version = context.version;
        self.updated_at = context.at;
    }
}
