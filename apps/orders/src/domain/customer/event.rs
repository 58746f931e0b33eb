//! What happened to a customer.

use gesta::Event;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Address, CustomerTier, PaymentMethod};

/// What happened to a customer.
#[derive(Debug, Clone, PartialEq, Eq, Event)]
pub enum CustomerEvent {
    /// It began.
    #[event(name = "CustomerRegistered")]
    Registered(CustomerRegistered),
    /// What was given is what counts now.
    #[event(name = "CustomerProfileUpdated")]
    ProfileUpdated(ProfileUpdated),
    /// Letters reach it elsewhere.
    #[event(name = "CustomerEmailChanged")]
    EmailChanged(EmailChanged),
    /// Calls reach it elsewhere.
    #[event(name = "CustomerPhoneChanged")]
    PhoneChanged(PhoneChanged),
    /// It has one address more.
    #[event(name = "CustomerAddressAdded")]
    AddressAdded(AddressAdded),
    /// One of its addresses is another.
    #[event(name = "CustomerAddressUpdated")]
    AddressUpdated(AddressUpdated),
    /// It has one address less.
    #[event(name = "CustomerAddressRemoved")]
    AddressRemoved(AddressRemoved),
    /// It has one way to pay more.
    #[event(name = "CustomerPaymentMethodAdded")]
    PaymentMethodAdded(PaymentMethodAdded),
    /// It has one way to pay less.
    #[event(name = "CustomerPaymentMethodRemoved")]
    PaymentMethodRemoved(PaymentMethodRemoved),
    /// It is served better.
    #[event(name = "CustomerTierUpgraded")]
    TierUpgraded(TierUpgraded),
    /// It may not act for a while.
    #[event(name = "CustomerSuspended")]
    Suspended(Reasoned),
    /// It may act again.
    #[event(name = "CustomerReactivated")]
    Reactivated(Noted),
    /// It may never act again.
    #[event(name = "CustomerDeactivated")]
    Deactivated(Reasoned),
}

/// A customer began: active, and of the lowest tier.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the fields are those of the command")]
pub struct CustomerRegistered {
    pub email: String,
    pub first_name: String,
    pub last_name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phone: Option<String>,
}

/// What was given replaces what was known; what is absent stays.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the fields are those of the command")]
pub struct ProfileUpdated {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phone: Option<String>,
}

/// Letters reach the customer elsewhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EmailChanged {
    /// Where they did.
    pub old_email: String,
    /// Where they do.
    pub new_email: String,
}

/// Calls reach the customer elsewhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PhoneChanged {
    /// Where they did, if anywhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub old_phone: Option<String>,
    /// Where they do.
    pub new_phone: String,
}

/// There is one address more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddressAdded {
    /// Its id.
    pub address_id: Uuid,
    /// The address.
    pub address: Address,
    /// Whether it is the default from now on.
    pub is_default: bool,
}

/// An address is another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddressUpdated {
    /// Its id.
    pub address_id: Uuid,
    /// What it is now.
    pub address: Address,
}

/// There is one address less; if it was the default there is none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddressRemoved {
    /// Its id.
    pub address_id: Uuid,
}

/// There is one way to pay more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PaymentMethodAdded {
    /// The way to pay.
    pub payment_method: PaymentMethod,
}

/// There is one way to pay less.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PaymentMethodRemoved {
    /// Its id.
    pub payment_method_id: Uuid,
}

/// The customer is served better.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TierUpgraded {
    /// How well before.
    pub old_tier: CustomerTier,
    /// How well now.
    pub new_tier: CustomerTier,
}

/// The customer was suspended or deactivated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reasoned {
    /// Why.
    pub reason: String,
}

/// The customer may act again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Noted {
    /// What is to be known about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notes: Option<String>,
}
