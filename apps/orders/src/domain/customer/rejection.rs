//! Why a customer refuses.

use gesta::Rejection;
use uuid::Uuid;

use super::{CustomerStatus, CustomerTier};

/// Why a customer refuses a command.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CustomerRejection {
    /// It was registered before.
    #[error("the customer is registered already: choose another id, or go on with it")]
    AlreadyExists {
        /// Whether it may act.
        actual: CustomerStatus,
    },
    /// A given name is needed.
    #[error("the first name is empty: give one")]
    EmptyFirstName,
    /// A family name is needed.
    #[error("the last name is empty: give one")]
    EmptyLastName,
    /// An e-mail address is needed.
    #[error("the e-mail address is empty: give one")]
    EmptyEmail,
    /// That is no e-mail address.
    #[error("the e-mail address holds no @: give a whole one")]
    InvalidEmail,
    /// Only an active customer may do this.
    #[error("the customer is {}, not active: reactivate it first if that is possible", actual.as_str())]
    NotActive {
        /// What it is.
        actual: CustomerStatus,
    },
    /// There is no such address.
    #[error("the customer has no address {address_id}")]
    AddressNotFound {
        /// Which.
        address_id: Uuid,
    },
    /// The id belongs to another address.
    #[error("the customer has another address {address_id}: update that one, or choose another id")]
    AddressAlreadyExists {
        /// Which.
        address_id: Uuid,
    },
    /// There is no such way to pay.
    #[error("the customer has no payment method {payment_method_id}")]
    PaymentMethodNotFound {
        /// Which.
        payment_method_id: Uuid,
    },
    /// The id belongs to another way to pay.
    #[error("the customer has another payment method {payment_method_id}: choose another id")]
    PaymentMethodAlreadyExists {
        /// Which.
        payment_method_id: Uuid,
    },
    /// The default stays while there are others.
    #[error("the default payment method stays while there are others: add another default first")]
    CannotRemoveDefaultPaymentMethod,
    /// A tier only rises.
    #[error("the customer is {} already, so {} is no upgrade", actual.as_str(), wanted.as_str())]
    TierDowngradeNotAllowed {
        /// What it is.
        actual: CustomerTier,
        /// What was asked for.
        wanted: CustomerTier,
    },
    /// It was suspended before.
    #[error("the customer is suspended already")]
    AlreadySuspended,
    /// It is not suspended.
    #[error("the customer is {}, not suspended: nothing is to be reactivated", actual.as_str())]
    NotSuspended {
        /// What it is.
        actual: CustomerStatus,
    },
    /// It was deactivated before, for good.
    #[error("the customer is deactivated, which is final: register a new one")]
    AlreadyDeactivated {
        /// From where it would have been allowed.
        expected: &'static [CustomerStatus],
    },
    /// It was never registered.
    #[error("the customer does not exist: register it first")]
    NotInitialized,
}

impl CustomerRejection {
    /// The statuses from which the command would have been allowed; empty where no status is the reason.
    pub fn expected(&self) -> &'static [CustomerStatus] {
        match self {
            Self::NotActive { .. } | Self::AlreadySuspended => &[CustomerStatus::Active],
            Self::NotSuspended { .. } => &[CustomerStatus::Suspended],
            Self::AlreadyDeactivated { expected } => expected,
            _ => &[],
        }
    }

    /// The customer's status where that is the reason.
    pub fn actual(&self) -> Option<CustomerStatus> {
        match self {
            Self::AlreadyExists { actual } | Self::NotActive { actual } | Self::NotSuspended { actual } => {
                Some(*actual)
            }
            Self::AlreadySuspended => Some(CustomerStatus::Suspended),
            Self::AlreadyDeactivated { .. } => Some(CustomerStatus::Deactivated),
            _ => None,
        }
    }
}

impl Rejection for CustomerRejection {
    fn code(&self) -> &'static str {
        match self {
            Self::AlreadyExists { .. } => "AlreadyExists",
            Self::EmptyFirstName => "EmptyFirstName",
            Self::EmptyLastName => "EmptyLastName",
            Self::EmptyEmail => "EmptyEmail",
            Self::InvalidEmail => "InvalidEmail",
            Self::NotActive { .. } => "NotActive",
            Self::AddressNotFound { .. } => "AddressNotFound",
            Self::AddressAlreadyExists { .. } => "AddressAlreadyExists",
            Self::PaymentMethodNotFound { .. } => "PaymentMethodNotFound",
            Self::PaymentMethodAlreadyExists { .. } => "PaymentMethodAlreadyExists",
            Self::CannotRemoveDefaultPaymentMethod => "CannotRemoveDefaultPaymentMethod",
            Self::TierDowngradeNotAllowed { .. } => "TierDowngradeNotAllowed",
            Self::AlreadySuspended => "AlreadySuspended",
            Self::NotSuspended { .. } => "NotSuspended",
            Self::AlreadyDeactivated { .. } => "AlreadyDeactivated",
            Self::NotInitialized => "NotInitialized",
        }
    }
}
