//! A customer: registered, active, suspended for a while, deactivated for good.

use std::collections::BTreeMap;

use gesta::{Aggregate, Context};
use gesta_core::{Timestamp, Version};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

mod command;
mod decide;
mod event;
mod rejection;

pub use command::CustomerCommand;
pub use event::{
    AddressAdded, AddressRemoved, AddressUpdated, CustomerEvent, CustomerRegistered, EmailChanged, Noted,
    PaymentMethodAdded, PaymentMethodRemoved, PhoneChanged, ProfileUpdated, Reasoned, TierUpgraded,
};
pub use rejection::CustomerRejection;

/// Whether a customer may act.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
pub enum CustomerStatus {
    /// As every customer begins.
    Active,
    /// For a while not.
    Suspended,
    /// Never again.
    Deactivated,
}

impl CustomerStatus {
    /// Its name, as in events and replies.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "Active",
            Self::Suspended => "Suspended",
            Self::Deactivated => "Deactivated",
        }
    }
}

/// How well a customer is served; later ones are higher.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[expect(missing_docs, reason = "the tiers are what their names say")]
pub enum CustomerTier {
    Bronze,
    Silver,
    Gold,
    Platinum,
}

impl CustomerTier {
    /// Its name, as in events and replies.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Bronze => "Bronze",
            Self::Silver => "Silver",
            Self::Gold => "Gold",
            Self::Platinum => "Platinum",
        }
    }
}

/// How a customer pays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[expect(missing_docs, reason = "the types are what their names say")]
pub enum PaymentMethodType {
    CreditCard,
    DebitCard,
    BankAccount,
    DigitalWallet,
}

/// Where something is sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[expect(missing_docs, reason = "the parts of an address are what their names say")]
pub struct Address {
    pub street: String,
    pub city: String,
    pub state: String,
    pub postal_code: String,
    pub country: String,
}

/// A way to pay. Holds the last four digits and never the number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PaymentMethod {
    /// Its id.
    pub id: Uuid,
    /// What it is.
    pub method_type: PaymentMethodType,
    /// The last four digits of its number.
    pub last_four: String,
    /// Whether it is the one to use.
    pub is_default: bool,
}

/// A customer as its events tell it; nothing before it was registered.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Customer(pub Option<RegisteredCustomer>);

/// A customer that was registered. Its times are those of its events.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RegisteredCustomer {
    /// Its id.
    pub id: String,
    /// The number of its events.
    #[schema(value_type = u64)]
    pub version: Version,
    /// Where letters reach it.
    pub email: String,
    /// Its given name.
    pub first_name: String,
    /// Its family name.
    pub last_name: String,
    /// Where calls reach it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phone: Option<String>,
    /// Whether it may act.
    pub status: CustomerStatus,
    /// How well it is served.
    pub tier: CustomerTier,
    /// Its addresses by id.
    #[schema(value_type = std::collections::HashMap<String, Address>)]
    pub addresses: BTreeMap<Uuid, Address>,
    /// The address to use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_address_id: Option<Uuid>,
    /// Its ways to pay, in the order they were added.
    pub payment_methods: Vec<PaymentMethod>,
    /// When it was registered.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// When it last changed.
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: Timestamp,
}

impl Aggregate for Customer {
    const CATEGORY: &'static str = "customer";
    type Command = CustomerCommand;
    type Event = CustomerEvent;
    type Rejection = CustomerRejection;

    fn decide(
        &self,
        command: &CustomerCommand,
        _: &Context<'_>,
    ) -> Result<Vec<CustomerEvent>, CustomerRejection> {
        let event = match (&self.0, command) {
            (customer, CustomerCommand::RegisterCustomer { email, first_name, last_name, phone }) => {
                let registered = CustomerRegistered {
                    email: email.clone(),
                    first_name: first_name.clone(),
                    last_name: last_name.clone(),
                    phone: phone.clone(),
                };
                Some(decide::register(customer.as_ref(), registered)?)
            }
            (None, _) => return Err(CustomerRejection::NotInitialized),
            (Some(customer), command) => customer.decide(command)?,
        };
        Ok(event.into_iter().collect())
    }

    fn apply(&mut self, event: &CustomerEvent, context: &Context<'_>) {
        match (&mut self.0, event) {
            (_, CustomerEvent::Registered(registered)) => {
                self.0 = Some(RegisteredCustomer::new(registered, context));
            }
            (Some(customer), event) => customer.apply(event, context),
            // What was never registered by this application is no customer.
            (None, _) => {}
        }
    }
}

impl RegisteredCustomer {
    fn new(registered: &CustomerRegistered, context: &Context<'_>) -> Self {
        Self {
            id: context.id.to_owned(),
            version: context.version,
            email: registered.email.clone(),
            first_name: registered.first_name.clone(),
            last_name: registered.last_name.clone(),
            phone: registered.phone.clone(),
            status: CustomerStatus::Active,
            tier: CustomerTier::Bronze,
            addresses: BTreeMap::new(),
            default_address_id: None,
            payment_methods: Vec::new(),
            created_at: context.at,
            updated_at: context.at,
        }
    }

    fn apply(&mut self, event: &CustomerEvent, context: &Context<'_>) {
        match event {
            CustomerEvent::Registered(_) => {}
            CustomerEvent::ProfileUpdated(updated) => self.take_profile(updated),
            CustomerEvent::EmailChanged(changed) => self.email.clone_from(&changed.new_email),
            CustomerEvent::PhoneChanged(changed) => self.phone = Some(changed.new_phone.clone()),
            CustomerEvent::AddressAdded(added) => {
                self.addresses.insert(added.address_id, added.address.clone());
                if added.is_default {
                    self.default_address_id = Some(added.address_id);
                }
            }
            CustomerEvent::AddressUpdated(updated) => {
                self.addresses.insert(updated.address_id, updated.address.clone());
            }
            CustomerEvent::AddressRemoved(removed) => {
                self.addresses.remove(&removed.address_id);
                self.default_address_id = self.default_address_id.filter(|id| *id != removed.address_id);
            }
            CustomerEvent::PaymentMethodAdded(added) => self.take_payment_method(&added.payment_method),
            CustomerEvent::PaymentMethodRemoved(removed) => {
                self.payment_methods.retain(|method| method.id != removed.payment_method_id);
            }
            CustomerEvent::TierUpgraded(upgraded) => self.tier = upgraded.new_tier,
            CustomerEvent::Suspended(_) => self.status = CustomerStatus::Suspended,
            CustomerEvent::Reactivated(_) => self.status = CustomerStatus::Active,
            CustomerEvent::Deactivated(_) => self.status = CustomerStatus::Deactivated,
        }
        self.version = context.version;
        self.updated_at = context.at;
    }

    fn take_profile(&mut self, updated: &ProfileUpdated) {
        if let Some(first_name) = &updated.first_name {
            self.first_name.clone_from(first_name);
        }
        if let Some(last_name) = &updated.last_name {
            self.last_name.clone_from(last_name);
        }
        if updated.phone.is_some() {
            self.phone.clone_from(&updated.phone);
        }
    }

    fn take_payment_method(&mut self, added: &PaymentMethod) {
        if added.is_default {
            self.payment_methods.iter_mut().for_each(|method| method.is_default = false);
        }
        self.payment_methods.push(added.clone());
    }
}
