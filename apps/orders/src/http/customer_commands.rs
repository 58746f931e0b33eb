//! Commands to a customer: their bodies and their routes. Unknown fields are refused at every depth.

use gesta::{Repository, repository::Executed};
use gesta_server::Failure;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{
    Parts,
    command::{ByHttp, Route, Row},
};
use crate::domain::customer::{
    Address, Customer, CustomerCommand as Command, CustomerTier, PaymentMethod, PaymentMethodType,
};

/// What became of a command to a customer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CustomerReply {
    /// The customer.
    pub customer_id: Uuid,
    /// Its version after the command; also the `ETag`.
    pub version: u64,
}

impl ByHttp for Command {
    type To = Customer;
    type Reply = CustomerReply;

    fn repository(parts: &Parts) -> &Repository<Customer> {
        &parts.customers
    }

    fn reply(customer_id: Uuid, executed: &Executed<Customer>) -> Result<CustomerReply, Failure> {
        Ok(CustomerReply { customer_id, version: executed.version.get() })
    }
}

pub(super) fn routes() -> impl Iterator<Item = Route> {
    of_itself().into_iter().chain(of_its_own())
}

/// What it is.
fn of_itself() -> [Route; 8] {
    [
        Row::post("register", "Register a customer")
            .says("It begins active and bronze.")
            .conflicts("AlreadyExists")
            .invalid("EmptyFirstName, EmptyLastName, EmptyEmail, InvalidEmail")
            .makes(|RegisterCustomerRequest { customer_id, email, first_name, last_name, phone }| {
                (customer_id, Command::RegisterCustomer { email, first_name, last_name, phone })
            }),
        Row::post("update-profile", "Correct what is known of a customer")
            .says("What is absent stays.")
            .conflicts("NotActive")
            .invalid("EmptyFirstName, EmptyLastName")
            .takes(|UpdateProfileRequest { first_name, last_name, phone }| Command::UpdateProfile {
                first_name,
                last_name,
                phone,
            }),
        Row::post("change-email", "Reach a customer elsewhere")
            .says("The same address again is no change.")
            .conflicts("NotActive")
            .invalid("EmptyEmail, InvalidEmail")
            .takes(|ChangeEmailRequest { new_email }| Command::ChangeEmail { new_email }),
        Row::post("change-phone", "Call a customer elsewhere")
            .says("The same number again is no change.")
            .conflicts("NotActive")
            .takes(|ChangePhoneRequest { new_phone }| Command::ChangePhone { new_phone }),
        Row::post("upgrade-tier", "Serve a customer better")
            .says("Only upwards; levels may be skipped.")
            .conflicts("NotActive, TierDowngradeNotAllowed")
            .takes(|UpgradeTierRequest { new_tier }| Command::UpgradeTier { new_tier }),
        Row::post("suspend", "Suspend a customer")
            .conflicts("AlreadySuspended, AlreadyDeactivated")
            .takes(|ReasonRequest { reason }| Command::Suspend { reason }),
        Row::post("reactivate", "Reactivate a suspended customer")
            .conflicts("NotSuspended")
            .may_take(|ReactivateRequest { notes }| Command::Reactivate { notes }),
        Row::post("deactivate", "Deactivate a customer for good")
            .conflicts("AlreadyDeactivated")
            .takes(|ReasonRequest { reason }| Command::Deactivate { reason }),
    ]
}

/// What it has.
fn of_its_own() -> [Route; 5] {
    [
        Row::post("add-address", "Add an address")
            .says("A new default replaces the old one.")
            .conflicts("NotActive, AddressAlreadyExists")
            .takes(|AddAddressRequest { address_id, address, set_as_default }| Command::AddAddress {
                address_id,
                address: address.into(),
                set_as_default,
            }),
        Row::post("update-address", "Correct an address")
            .missing("AddressNotFound")
            .conflicts("NotActive")
            .takes(|UpdateAddressRequest { address_id, address }| Command::UpdateAddress {
                address_id,
                address: address.into(),
            }),
        Row::post("remove-address", "Take an address away")
            .says("Without the default there is none.")
            .missing("AddressNotFound")
            .conflicts("NotActive")
            .takes(|RemoveAddressRequest { address_id }| Command::RemoveAddress { address_id }),
        Row::post("add-payment-method", "Add a way to pay")
            .says("A new default replaces the old one.")
            .conflicts("NotActive, PaymentMethodAlreadyExists")
            .takes(|AddPaymentMethodRequest { payment_method }| Command::AddPaymentMethod {
                payment_method: payment_method.into(),
            }),
        Row::post("remove-payment-method", "Take a way to pay away")
            .says("The default stays while there are others.")
            .missing("PaymentMethodNotFound")
            .conflicts("NotActive, CannotRemoveDefaultPaymentMethod")
            .takes(|RemovePaymentMethodRequest { payment_method_id }| Command::RemovePaymentMethod {
                payment_method_id,
            }),
    ]
}

/// Register a customer.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct RegisterCustomerRequest {
    /// The customer's id; made by the server when absent.
    customer_id: Option<Uuid>,
    /// Where letters reach it.
    email: String,
    /// Its given name.
    first_name: String,
    /// Its family name.
    last_name: String,
    /// Where calls reach it.
    phone: Option<String>,
}

/// Correct what is known of a customer; what is absent stays.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct UpdateProfileRequest {
    /// Its given name.
    first_name: Option<String>,
    /// Its family name.
    last_name: Option<String>,
    /// Where calls reach it.
    phone: Option<String>,
}

/// Reach a customer elsewhere.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ChangeEmailRequest {
    /// Where.
    new_email: String,
}

/// Call a customer elsewhere.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ChangePhoneRequest {
    /// Where.
    new_phone: String,
}

/// Where something is sent.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct AddressRequest {
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
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct AddAddressRequest {
    /// Its id.
    address_id: Uuid,
    /// The address.
    address: AddressRequest,
    /// Whether it replaces the default.
    #[serde(default)]
    set_as_default: bool,
}

/// Correct an address.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct UpdateAddressRequest {
    /// Its id.
    address_id: Uuid,
    /// What it is now.
    address: AddressRequest,
}

/// Take an address away.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct RemoveAddressRequest {
    /// Its id.
    address_id: Uuid,
}

/// A way to pay.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct PaymentMethodRequest {
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
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct AddPaymentMethodRequest {
    /// The way to pay.
    payment_method: PaymentMethodRequest,
}

/// Take a way to pay away.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct RemovePaymentMethodRequest {
    /// Its id.
    payment_method_id: Uuid,
}

/// Serve a customer better.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct UpgradeTierRequest {
    /// How well: higher than now.
    new_tier: CustomerTier,
}

/// Suspend or deactivate a customer.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ReasonRequest {
    /// Why.
    reason: String,
}

/// Reactivate a customer.
#[derive(Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ReactivateRequest {
    /// What is to be known about it.
    notes: Option<String>,
}
