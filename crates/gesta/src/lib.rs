//! The engine of Gesta: subscriptions, processors and groups over any event store.

mod elapsed;
mod group;
mod planted;
mod processor;
mod subscription;

pub use group::{
    Delivery, DeliveryId, GroupConsumer, GroupDefinition, GroupError, GroupInfo, GroupStatistics, Groups,
    Nack, Parked, Pull, Selection, Start,
};
pub use processor::{
    OnFailure, Processor, ProcessorHandle, ProcessorOptions, ProcessorState, ProcessorStatus,
};
pub use subscription::{Batch, Subscription};
