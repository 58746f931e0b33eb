//! What a customer is asked to do.

use uuid::Uuid;

use super::{Address, CustomerTier, PaymentMethod};

/// What a customer is asked to do. The customer's id is the key of the command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CustomerCommand {
    /// Begin.
    RegisterCustomer {
        /// Where letters reach it.
        email: String,
        /// Its given name.
        first_name: String,
        /// Its family name.
        last_name: String,
        /// Where calls reach it.
        phone: Option<String>,
    },
    /// Correct what was given; what is left out stays.
    UpdateProfile {
        /// Its given name.
        first_name: Option<String>,
        /// Its family name.
        last_name: Option<String>,
        /// Where calls reach it.
        phone: Option<String>,
    },
    /// Be reached elsewhere. The same value again is no change.
    ChangeEmail {
        /// Where.
        new_email: String,
    },
    /// Be called elsewhere. The same value again is no change.
    ChangePhone {
        /// Where.
        new_phone: String,
    },
    /// Have one address more.
    AddAddress {
        /// Its id.
        address_id: Uuid,
        /// The address.
        address: Address,
        /// Whether it replaces the default.
        set_as_default: bool,
    },
    /// Correct an address.
    UpdateAddress {
        /// Its id.
        address_id: Uuid,
        /// What it is now.
        address: Address,
    },
    /// Have one address less.
    RemoveAddress {
        /// Its id.
        address_id: Uuid,
    },
    /// Have one way to pay more.
    AddPaymentMethod {
        /// The way to pay.
        payment_method: PaymentMethod,
    },
    /// Have one way to pay less.
    RemovePaymentMethod {
        /// Its id.
        payment_method_id: Uuid,
    },
    /// Be served better.
    UpgradeTier {
        /// How well.
        new_tier: CustomerTier,
    },
    /// Act no more for a while.
    Suspend {
        /// Why.
        reason: String,
    },
    /// Act again.
    Reactivate {
        /// What is to be known about it.
        notes: Option<String>,
    },
    /// Never act again.
    Deactivate {
        /// Why.
        reason: String,
    },
}
