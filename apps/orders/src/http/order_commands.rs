//! Commands to an order: their bodies and their routes. Unknown fields are refused at every depth.

use gesta::{Repository, repository::Executed};
use gesta_server::Failure;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{
    Parts,
    command::{ByHttp, Route, Row},
};
use crate::domain::order::{Order, OrderCommand, OrderItem, OrderStatus};

/// What became of a command to an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OrderReply {
    /// The order.
    pub order_id: Uuid,
    /// Its version after the command; also the `ETag`.
    pub version: u64,
    /// How far it is.
    pub status: OrderStatus,
}

impl ByHttp for OrderCommand {
    type To = Order;
    type Reply = OrderReply;

    fn repository(parts: &Parts) -> &Repository<Order> {
        &parts.orders
    }

    fn reply(order_id: Uuid, executed: &Executed<Order>) -> Result<OrderReply, Failure> {
        let Some(order) = &executed.state.0 else {
            return Err(Failure::request("the stream of the order does not begin with its creation"));
        };
        Ok(OrderReply { order_id, version: executed.version.get(), status: order.status })
    }
}

const ITEMS: &str = "EmptyItems, InvalidQuantity, InvalidAmount, TotalTooLarge";

pub(super) fn routes() -> [Route; 6] {
    [
        Row::post("create", "Place an order")
            .says(
                "At least one item, every quantity above zero. `Gesta-Position` in the reply says where the order's \
                 event is, for\n`after_position` of a query.",
            )
            .conflicts("AlreadyExists")
            .invalid(ITEMS)
            .makes(|CreateOrderRequest { order_id, customer_id, items }| {
                (order_id, OrderCommand::CreateOrder { customer_id, items: known(items) })
            }),
        Row::put("items", "Order something else instead")
            .says("Until the order is confirmed. The same items again are no change: the same version.")
            .conflicts("AlreadyCancelled, InvalidStatusTransition")
            .invalid(ITEMS)
            .takes(|UpdateItemsRequest { items, reason }| OrderCommand::UpdateItems { items: known(items), reason }),
        Row::post("confirm", "Accept an order")
            .conflicts("AlreadyConfirmed, InvalidStatusTransition")
            .may_take(|NothingRequest {}| OrderCommand::ConfirmOrder),
        Row::post("ship", "Hand an order to a carrier").conflicts("NotConfirmed, InvalidStatusTransition").takes(
            |ShipOrderRequest { tracking_number, carrier }| OrderCommand::ShipOrder { tracking_number, carrier },
        ),
        Row::post("deliver", "Hand an order to the customer")
            .conflicts("NotShipped")
            .may_take(|DeliverOrderRequest { signature }| OrderCommand::DeliverOrder { signature }),
        Row::post("cancel", "Give an order up")
            .says("Until it is delivered.")
            .conflicts("AlreadyCancelled, InvalidStatusTransition")
            .may_take(|CancelOrderRequest { reason, cancelled_by }| OrderCommand::CancelOrder { reason, cancelled_by }),
    ]
}

/// Place an order.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct CreateOrderRequest {
    /// The order's id; made by the server when absent.
    order_id: Option<Uuid>,
    /// For whom.
    customer_id: Uuid,
    /// What is ordered, at least one item.
    items: Vec<ItemRequest>,
}

/// An item to order.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ItemRequest {
    /// The product.
    product_id: Uuid,
    /// How many, at least one.
    quantity: i32,
    /// The price of one, in cents.
    unit_price_cents: Option<i64>,
    /// The freight of one, in cents.
    unit_freight_cents: Option<i64>,
}

/// The items as the domain knows them.
fn known(items: Vec<ItemRequest>) -> Vec<OrderItem> {
    let item = |ItemRequest { product_id, quantity, unit_price_cents, unit_freight_cents }| OrderItem {
        product_id,
        quantity,
        unit_price_cents,
        unit_freight_cents,
    };
    items.into_iter().map(item).collect()
}

/// Order something else instead.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct UpdateItemsRequest {
    /// All items from now on.
    items: Vec<ItemRequest>,
    /// Why.
    reason: Option<String>,
}

/// Hand an order to a carrier.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ShipOrderRequest {
    /// The carrier's number of the parcel.
    tracking_number: String,
    /// The carrier.
    carrier: String,
}

/// Hand an order to the customer.
#[derive(Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct DeliverOrderRequest {
    /// Who signed for it.
    signature: Option<String>,
}

/// Give an order up.
#[derive(Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct CancelOrderRequest {
    /// Why.
    reason: Option<String>,
    /// By whom.
    cancelled_by: Option<Uuid>,
}

/// Nothing has to be said.
#[derive(Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NothingRequest {}
