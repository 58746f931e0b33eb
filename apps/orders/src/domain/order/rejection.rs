//! Why an order refuses.

use gesta::Rejection;

use super::{
    OrderStatus,
    OrderStatus::{Confirmed, Created, Shipped},
};

/// Why an order refuses a command.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OrderRejection {
    /// It was placed before.
    #[error("the order exists already and is {actual}: choose another id, or go on with it")]
    AlreadyExists {
        /// How far it is.
        actual: OrderStatus,
    },
    /// It was given up before.
    #[error("the order is cancelled already: place a new one")]
    AlreadyCancelled {
        /// From where it would have been allowed.
        expected: &'static [OrderStatus],
    },
    /// It was accepted before.
    #[error("the order is confirmed already: nothing is left to confirm")]
    AlreadyConfirmed,
    /// It must be accepted first.
    #[error("the order is not confirmed: confirm it before it is shipped")]
    NotConfirmed,
    /// It must be shipped first.
    #[error("the order is {actual}, not shipped: only a shipped order can be delivered")]
    NotShipped {
        /// How far it is.
        actual: OrderStatus,
    },
    /// Its status does not allow it.
    #[error("the order is {actual}, which does not allow this any more")]
    InvalidStatusTransition {
        /// From where it would have been allowed.
        expected: &'static [OrderStatus],
        /// How far it is.
        actual: OrderStatus,
    },
    /// There is nothing to order.
    #[error("the order has no items: give at least one")]
    EmptyItems,
    /// Nobody can have so many.
    #[error("the quantity {actual} is illegal: give 1 or more")]
    InvalidQuantity {
        /// What was given.
        actual: i32,
    },
    /// Nothing costs less than nothing.
    #[error("the amount of {actual} cents is illegal: give 0 or more")]
    InvalidAmount {
        /// What was given.
        actual: i64,
    },
    /// The sum of the items is beyond what can be counted.
    #[error("the items cost more than {} cents together: order less at once", i64::MAX)]
    TotalTooLarge,
    /// It was never placed.
    #[error("the order does not exist: create it first")]
    NotInitialized,
}

impl OrderRejection {
    /// The statuses from which the command would have been allowed; empty where no status is the reason.
    pub fn expected(&self) -> &'static [OrderStatus] {
        match self {
            Self::AlreadyCancelled { expected } | Self::InvalidStatusTransition { expected, .. } => expected,
            Self::AlreadyConfirmed => &[Created],
            Self::NotConfirmed => &[Confirmed],
            Self::NotShipped { .. } => &[Shipped],
            _ => &[],
        }
    }

    /// The order's status where that is the reason.
    pub fn actual(&self) -> Option<OrderStatus> {
        match self {
            Self::AlreadyExists { actual }
            | Self::NotShipped { actual }
            | Self::InvalidStatusTransition { actual, .. } => Some(*actual),
            Self::AlreadyCancelled { .. } => Some(OrderStatus::Cancelled),
            Self::AlreadyConfirmed => Some(Confirmed),
            Self::NotConfirmed => Some(Created),
            _ => None,
        }
    }
}

impl Rejection for OrderRejection {
    fn code(&self) -> &'static str {
        match self {
            Self::AlreadyExists { .. } => "AlreadyExists",
            Self::AlreadyCancelled { .. } => "AlreadyCancelled",
            Self::AlreadyConfirmed => "AlreadyConfirmed",
            Self::NotConfirmed => "NotConfirmed",
            Self::NotShipped { .. } => "NotShipped",
            Self::InvalidStatusTransition { .. } => "InvalidStatusTransition",
            Self::EmptyItems => "EmptyItems",
            Self::InvalidQuantity { .. } => "InvalidQuantity",
            Self::InvalidAmount { .. } => "InvalidAmount",
            Self::TotalTooLarge => "TotalTooLarge",
            Self::NotInitialized => "NotInitialized",
        }
    }
}
