//! What commands say in their bodies. Unknown fields are refused at every depth.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::domain::{
    customer::{Address, CustomerTier, PaymentMethod, PaymentMethodType},
    order::OrderItem,
};

/// An item to order.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ItemRequest {
    /// The product.
    product_id: Uuid,
    /// How many, at least one.
    quantity: i32,
    /// The price of one, in cents.
    #[serde(default)]
    unit_price_cents: Option<i64>,
    /// The freight of one, in cents.
    #[serde(default)]
    unit_freight_cents: Option<i64>,
}

/// The items as the domain knows them.
pub(super) fn items(requests: &[ItemRequest]) -> Vec<OrderItem> {
    let item = |request: &ItemRequest| OrderItem {
        product_id: request.product_id,
        quantity: request.quantity,
        unit_price_cents: request.unit_price_cents,
        unit_freight_cents: request.unit_freight_cents,
    };
    requests.iter().map(item).collect()
}

/// Place an order.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CreateOrderRequest {
    /// The order's id; made by the server when absent.
    #[serde(default)]
    pub(super) order_id: Option<Uuid>,
    /// For whom.
    pub(super) customer_id: Uuid,
    /// What is ordered, at least one item.
    pub(super) items: Vec<ItemRequest>,
}

/// Order something else instead.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct UpdateItemsRequest {
    /// All items from now on.
    pub(super) items: Vec<ItemRequest>,
    /// Why.
    #[serde(default)]
    pub(super) reason: Option<String>,
}

/// Hand an order to a carrier.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ShipOrderRequest {
    /// The carrier's number of the parcel.
    pub(super) tracking_number: String,
    /// The carrier.
    pub(super) carrier: String,
}

/// Hand an order to the customer.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct DeliverOrderRequest {
    /// Who signed for it.
    #[serde(default)]
    pub(super) signature: Option<String>,
}

/// Give an order up.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CancelOrderRequest {
    /// Why.
    #[serde(default)]
    pub(super) reason: Option<String>,
    /// By whom.
    #[serde(default)]
    pub(super) cancelled_by: Option<Uuid>,
}

/// Nothing has to be said.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NothingRequest {}

/// Register a customer.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RegisterCustomerRequest {
    /// The customer's id; made by the server when absent.
    #[serde(default)]
    pub(super) customer_id: Option<Uuid>,
    /// Where letters reach it.
    pub(super) email: String,
    /// Its given name.
    pub(super) first_name: String,
    /// Its family name.
    pub(super) last_name: String,
    /// Where calls reach it.
    #[serde(default)]
    pub(super) phone: Option<String>,
}

/// Correct what is known of a customer; what is absent stays.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct UpdateProfileRequest {
    /// Its given name.
    #[serde(default)]
    pub(super) first_name: Option<String>,
    /// Its family name.
    #[serde(default)]
    pub(super) last_name: Option<String>,
    /// Where calls reach it.
    #[serde(default)]
    pub(super) phone: Option<String>,
}

/// Reach a customer elsewhere.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ChangeEmailRequest {
    /// Where.
    pub(super) new_email: String,
}

/// Call a customer elsewhere.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ChangePhoneRequest {
    /// Where.
    pub(super) new_phone: String,
}

/// Where something is sent.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct AddressRequest {
    street: String,
    city: String,
    state: String,
    postal_code: String,
    country: String,
}

impl From<AddressRequest> for Address {
    fn from(request: AddressRequest) -> Self {
        let AddressRequest { street, city, state, postal_code, country } = request;
        Self { street, city, state, postal_code, country }
    }
}

/// Add an address.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct AddAddressRequest {
    /// Its id.
    pub(super) address_id: Uuid,
    /// The address.
    pub(super) address: AddressRequest,
    /// Whether it replaces the default.
    #[serde(default)]
    pub(super) set_as_default: bool,
}

/// Correct an address.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct UpdateAddressRequest {
    /// Its id.
    pub(super) address_id: Uuid,
    /// What it is now.
    pub(super) address: AddressRequest,
}

/// Take an address away.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RemoveAddressRequest {
    /// Its id.
    pub(super) address_id: Uuid,
}

/// A way to pay.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PaymentMethodRequest {
    /// Its id.
    id: Uuid,
    /// What it is.
    method_type: PaymentMethodType,
    /// The last four digits of its number.
    last_four: String,
    /// Whether it replaces the default.
    #[serde(default)]
    is_default: bool,
}

impl From<PaymentMethodRequest> for PaymentMethod {
    fn from(request: PaymentMethodRequest) -> Self {
        let PaymentMethodRequest { id, method_type, last_four, is_default } = request;
        Self { id, method_type, last_four, is_default }
    }
}

/// Add a way to pay.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct AddPaymentMethodRequest {
    /// The way to pay.
    pub(super) payment_method: PaymentMethodRequest,
}

/// Take a way to pay away.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RemovePaymentMethodRequest {
    /// Its id.
    pub(super) payment_method_id: Uuid,
}

/// Serve a customer better.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct UpgradeTierRequest {
    /// How well: higher than now.
    pub(super) new_tier: CustomerTier,
}

/// Suspend or deactivate a customer.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ReasonRequest {
    /// Why.
    pub(super) reason: String,
}

/// Reactivate a customer.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ReactivateRequest {
    /// What is to be known about it.
    #[serde(default)]
    pub(super) notes: Option<String>,
}
