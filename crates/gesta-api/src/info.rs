//! What a server says about itself.

use std::collections::BTreeMap;

use gesta_core::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::DurabilityGiven;

/// What the server is and where to begin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ServiceInfo {
    /// Always `gesta`.
    pub service: String,
    /// Its release.
    pub version: String,
    /// One line.
    pub description: String,
    /// Where to begin.
    pub endpoints: Endpoints,
}

/// Where to begin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Endpoints {
    /// How it fares.
    pub health: String,
    /// Publishing.
    pub publish: String,
    /// Subscribing.
    pub subscribe: String,
    /// Counters.
    pub stats: String,
}

/// How a server fares.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Health {
    /// Always `gesta`.
    pub service: String,
    /// In one word.
    pub status: HealthStatus,
    /// Its release.
    pub version: String,
    /// When this was asked.
    #[schema(value_type = String, format = DateTime)]
    pub timestamp: Timestamp,
    /// How long it runs, in seconds.
    pub uptime_seconds: u64,
    /// What was looked at, by name: `ok`, or what is wrong and what to do.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub checks: BTreeMap<String, String>,
    /// The store.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub store: Option<StoreHealth>,
    /// How many connections are open.
    #[serde(default)]
    pub open_connections: u64,
    /// Whether the server is about to stop.
    #[serde(default)]
    pub stopping: bool,
}

/// How a store fares.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct StoreHealth {
    /// Which store it is: `memory`, `file` or `postgres`; empty when a server of an older release does not say.
    #[serde(default)]
    pub kind: String,
    /// The highest readable position.
    pub head: u64,
    /// The position up to which the log is indexed.
    pub indexed: u64,
    /// What an acknowledgement survives.
    pub durability: DurabilityGiven,
    /// What makes the store keep less than it could, such as `synchronous_commit=off`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lowered: Vec<String>,
    /// How many files the log has; absent in memory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub segments: Option<u64>,
    /// How many bytes the log has; absent in memory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
}

/// How a server fares, in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
// The worse is the greater.
pub enum HealthStatus {
    /// It does everything.
    Healthy,
    /// It does less than everything.
    Degraded,
    /// It takes no events.
    Unhealthy,
}

/// What was counted for the tenant since a time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Stats {
    /// Events that were appended over HTTP; a repeated append counts no event.
    pub events_published: u64,
    /// Deliveries of groups that were acknowledged, by the consumer or by handing over.
    pub events_consumed: u64,
    /// Deliveries of groups that were given back as not handled.
    pub events_failed: u64,
    /// Groups of the tenant, now.
    pub handlers_registered: u64,
    /// Since when the first three are counted: the start of the server.
    #[schema(value_type = String, format = DateTime)]
    pub since: Timestamp,
}

/// The latest events of the tenant, newest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RecentEvents {
    /// The events.
    pub events: Vec<RecentEvent>,
}

/// One of the latest events.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RecentEvent {
    /// The event's id.
    pub id: Uuid,
    /// The name of its kind.
    pub event_type: String,
    /// The program that made it; empty when that is not known.
    pub source_service: String,
    /// When it was recorded.
    #[schema(value_type = String, format = DateTime)]
    pub timestamp: Timestamp,
    /// 1 (highest) to 5 (lowest).
    pub priority: u8,
    /// What became of it.
    pub status: RecentStatus,
}

/// What became of an event in the groups that take it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RecentStatus {
    /// Every group that takes it is done with it; so is an event that no group takes.
    Processed,
    /// A group has parked it.
    Failed,
    /// A group has yet to settle it.
    Pending,
}

/// The circuit breakers, by the service they protect.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(transparent)]
pub struct Breakers(pub BTreeMap<String, Breaker>);

/// One circuit breaker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Breaker {
    /// `closed`, `open` or `half_open`.
    pub state: String,
    /// Consecutive failures.
    pub failure_count: u64,
    /// The last failure.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub last_failure: Option<Timestamp>,
    /// When the next call is let through.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub next_retry: Option<Timestamp>,
}
