//! Durable competing consumers: groups that share the events of a log, with acknowledgement, retry and parking.

mod definition;
mod delivery;
mod error;
mod info;

pub use definition::{GroupDefinition, Start};
pub use delivery::{Delivery, DeliveryId, Nack, Pull, Selection};
pub use error::GroupError;
pub use info::{GroupConsumer, GroupInfo, GroupStatistics, Parked};
