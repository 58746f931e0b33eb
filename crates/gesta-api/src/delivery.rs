//! Pulling from a group, and saying what became of it.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::Envelope;

/// Asks a group for deliveries.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PullRequest {
    /// The member that asks: 1 to 256 bytes.
    #[schema(min_length = 1, max_length = 256)]
    pub consumer: String,
    /// At most so many, 1 to 500; the subscription's `batch_size` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 500)]
    pub max: Option<u32>,
    /// How long to wait for the first one, in milliseconds, at most 60,000; the subscription's `timeout_ms` when
    /// absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(maximum = 60000)]
    pub wait_ms: Option<u64>,
}

/// What a pull brought; empty when nothing came in time.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Deliveries<'a> {
    /// The deliveries.
    pub deliveries: Vec<DeliveredEvent<'a>>,
}

/// An event, leased to a consumer.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct DeliveredEvent<'a> {
    /// What to acknowledge; opaque.
    pub delivery_id: String,
    /// How often the event was handed out, this time included.
    pub delivery_count: u32,
    /// The label of the subscription.
    pub subscription: String,
    /// The stream the event belongs to.
    pub stream_id: String,
    /// The event.
    pub event: Envelope<'a>,
}

/// Says that deliveries were handled.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AckRequest {
    /// Which; at most 500.
    #[schema(min_items = 1, max_items = 500)]
    pub delivery_ids: Vec<String>,
}

/// How many deliveries were acknowledged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AckReply {
    /// How many; one that was acknowledged before counts again.
    pub acked: usize,
}

/// Says that deliveries were not handled.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NackRequest {
    /// Which; at most 500.
    #[schema(min_items = 1, max_items = 500)]
    pub delivery_ids: Vec<String>,
    /// Why, for whoever looks at a parked event; at most 4,096 bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 4096)]
    pub reason: Option<String>,
    /// Whether to park them at once instead of trying again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub park: Option<bool>,
}

/// How many deliveries were given back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NackReply {
    /// How many.
    pub nacked: usize,
}
