//! Groups: durable competing consumers.

use std::collections::BTreeMap;

use gesta_core::{Filter, Priority, Tenant, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{Envelope, Problem};

/// Makes a group. The same request again answers the same; a group of this name with another definition is a
/// `group_exists`.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct GroupRequest {
    /// Its name.
    #[schema(min_length = 1, example = "billing")]
    pub name: String,
    /// Which events it takes; all of the tenant's when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filter: Option<GroupFilter>,
    /// Where a new group starts: `head` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<GroupStart>,
    /// How long to wait before each attempt, in milliseconds; as many attempts as entries, then the event is
    /// parked. `[0, 1000, 5000, 15000]` when absent; 1 to 32 entries, each at most a day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_items = 1, max_items = 32)]
    pub retry_delays_ms: Option<Vec<u64>>,
    /// How long a delivery is a consumer's own, in milliseconds: 100 to 86,400,000; 30,000 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 100, maximum = 86400000)]
    pub lease_ms: Option<u64>,
    /// Whether handing over acknowledges; `false` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auto_ack: Option<bool>,
    /// How many deliveries may be out at once, 1 to 10,000; 1,000 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 10000)]
    pub max_in_flight: Option<u32>,
}

/// Which events a group takes. An absent or empty part restricts nothing; all parts must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct GroupFilter {
    /// Any of these types, with wildcards.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub types: Vec<String>,
    /// Least and greatest schema version, inclusive: `2.0` is 2.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<u32>>, min_items = 2, max_items = 2)]
    pub schema_version_range: Option<(u32, u32)>,
    /// Any of these streams, with wildcards.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub streams: Vec<String>,
    /// Any of these categories, exactly.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub categories: Vec<String>,
    /// Any of these sources, exactly.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<String>,
    /// Any of these subjects, with wildcards; an event without one fails.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub subjects: Vec<String>,
    /// Every one of these metadata keys has this text.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub metadata: BTreeMap<String, String>,
    /// Least and greatest priority number, inclusive.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<u8>>, min_items = 2, max_items = 2)]
    pub priority_range: Option<(Priority, Priority)>,
    /// This correlation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub correlation_id: Option<String>,
}

impl GroupFilter {
    /// The filter, on one tenant's events. Fails when a range is upside down.
    pub fn into_filter(self, tenant: Tenant) -> Result<Filter, Problem> {
        in_order("priority_range", self.priority_range)?;
        in_order("schema_version_range", self.schema_version_range)?;
        let patterns = |texts: Vec<String>| texts.into_iter().map(Into::into).collect();
        Ok(Filter {
            types: patterns(self.types),
            schema_versions: self.schema_version_range,
            streams: patterns(self.streams),
            categories: self.categories,
            sources: self.sources,
            subjects: patterns(self.subjects),
            metadata: self.metadata,
            priority: self.priority_range,
            correlation_id: self.correlation_id,
            ..Filter::of(tenant)
        })
    }
}

/// Refuses a range whose first end is above its second.
fn in_order<T: PartialOrd>(field: &str, range: Option<(T, T)>) -> Result<(), Problem> {
    match range {
        Some((least, most)) if least > most => {
            Err(Problem::field(format!("{field} is upside down: write the smaller number first")))
        }
        _ => Ok(()),
    }
}

impl From<&Filter> for GroupFilter {
    fn from(filter: &Filter) -> Self {
        let texts = |patterns: &[gesta_core::Pattern]| patterns.iter().map(ToString::to_string).collect();
        Self {
            types: texts(&filter.types),
            schema_version_range: filter.schema_versions,
            streams: texts(&filter.streams),
            categories: filter.categories.clone(),
            sources: filter.sources.clone(),
            subjects: texts(&filter.subjects),
            metadata: filter.metadata.clone(),
            priority_range: filter.priority,
            correlation_id: filter.correlation_id.clone(),
        }
    }
}

/// Where a new group starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum GroupStart {
    /// With the first event of the log.
    Beginning,
    /// With the first event after now.
    Head,
    /// With the first event behind this position.
    AfterPosition(u64),
}

/// A group and how far it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Group {
    /// Its name.
    pub name: String,
    /// Which events it takes.
    pub filter: GroupFilter,
    /// Whether handing over acknowledges.
    pub auto_ack: bool,
    /// How long to wait before each attempt, in milliseconds.
    pub retry_delays_ms: Vec<u64>,
    /// How long a delivery is a consumer's own, in milliseconds.
    pub lease_ms: u64,
    /// How many deliveries may be out at once.
    pub max_in_flight: u64,
    /// The members seen lately.
    pub consumers: Vec<GroupMember>,
    /// Everything up to here is settled.
    pub position: u64,
    /// The head of the log.
    pub head: u64,
    /// How many positions lie between the two.
    pub lag: u64,
    /// How many deliveries are out.
    pub in_flight: u64,
    /// How many events are parked, those that wait behind them not counted.
    pub parked: u64,
    /// What happened so far.
    pub counts: GroupCounts,
}

/// Somebody who consumes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct GroupMember {
    /// The name it gave.
    pub name: String,
    /// How many deliveries it holds.
    pub in_flight: u64,
    /// When it last asked for deliveries.
    #[schema(value_type = String, format = DateTime)]
    pub last_seen: Timestamp,
}

/// What happened in a group since a time; survives a restart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct GroupCounts {
    /// Deliveries handed out, repeated ones included.
    pub delivered: u64,
    /// Deliveries acknowledged.
    pub acked: u64,
    /// Deliveries given back.
    pub nacked: u64,
    /// Events parked.
    pub parked: u64,
    /// Leases that ran out.
    pub expired: u64,
    /// Since when.
    #[schema(value_type = String, format = DateTime)]
    pub since: Timestamp,
}

/// Every group of the tenant, by name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Groups {
    /// The groups.
    pub groups: Vec<Group>,
}

/// An event that could not be handled.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ParkedEvent<'a> {
    /// The event's id.
    pub event_id: Uuid,
    /// The stream it belongs to; its later events wait behind it.
    pub stream_id: String,
    /// How many attempts failed.
    pub attempts: u32,
    /// The last failure.
    pub reason: String,
    /// When the first attempt failed.
    #[schema(value_type = String, format = DateTime)]
    pub first_failed_at: Timestamp,
    /// When the last attempt failed.
    #[schema(value_type = String, format = DateTime)]
    pub last_failed_at: Timestamp,
    /// How many later events of its stream wait behind it, counted up to 1,000.
    pub held: u64,
    /// The event.
    pub event: Envelope<'a>,
}

/// The parked events of a group, oldest first.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ParkedEvents<'a> {
    /// The events.
    pub parked: Vec<ParkedEvent<'a>>,
}

/// Which parked events to replay or discard: either some, or all.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ParkedSelection {
    /// These.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_items = 1, max_items = 500)]
    pub event_ids: Option<Vec<Uuid>>,
    /// All of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub all: Option<bool>,
    /// Why; needed to discard.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// How many parked events were replayed or discarded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ParkedReply {
    /// How many.
    pub count: usize,
}
