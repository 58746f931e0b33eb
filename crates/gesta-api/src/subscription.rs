//! The event service's way to make or join a group.

use std::collections::BTreeMap;

use gesta_core::Priority;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::GroupFilter;

/// Makes or joins a group. Every field is optional; an explicit `null` equals an absent one, an empty list
/// restricts nothing, and all parts are ANDed.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SubscribeRequest {
    /// A label; `default` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Patterns of types, `*` stands for any text; `["*"]` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_types: Option<Vec<String>>,
    /// The durable group; `default-group` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consumer_group: Option<String>,
    /// The member; `default-consumer` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consumer_name: Option<String>,
    /// At most so many per delivery, 1 to 500; 10 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 500)]
    pub batch_size: Option<u32>,
    /// The longest wait of a pull in milliseconds, at most 60,000; 5,000 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(maximum = 60000)]
    pub timeout_ms: Option<u64>,
    /// Whether handing over acknowledges; `true` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auto_ack: Option<bool>,
    /// Whether a new group starts at the head rather than at the beginning; `true` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read_latest: Option<bool>,
    /// Any of these sources, exactly.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_services: Option<Vec<String>>,
    /// Every one of these metadata keys has this text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata_filters: Option<BTreeMap<String, String>>,
    /// Any of these subjects, with wildcards; an event without one fails.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject_patterns: Option<Vec<String>>,
    /// Least and greatest priority number, inclusive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<u8>>, min_items = 2, max_items = 2)]
    pub priority_range: Option<(Priority, Priority)>,
    /// Least and greatest version of the payload's shape, inclusive: `2.0` is 2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<u32>>, min_items = 2, max_items = 2)]
    pub schema_version_range: Option<(u32, u32)>,
    /// Where to push to. Not offered yet: refused with `unsupported`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub callback_url: Option<String>,
}

impl SubscribeRequest {
    /// The patterns of types it asks for: `["*"]` when none are given.
    pub fn patterns(&self) -> Vec<String> {
        self.event_types.clone().filter(|types| !types.is_empty()).unwrap_or_else(|| vec!["*".into()])
    }

    /// What its group takes.
    pub fn filter(&self) -> GroupFilter {
        GroupFilter {
            types: self.patterns(),
            sources: self.source_services.clone().unwrap_or_default(),
            subjects: self.subject_patterns.clone().unwrap_or_default(),
            metadata: self.metadata_filters.clone().unwrap_or_default(),
            priority_range: self.priority_range,
            schema_version_range: self.schema_version_range,
            ..GroupFilter::default()
        }
    }
}

/// The answer to a [`SubscribeRequest`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Subscribed {
    /// Always `subscribed`.
    #[schema(example = "subscribed")]
    pub status: String,
    /// The label.
    pub subscription_name: String,
    /// The patterns of types.
    pub event_types: Vec<String>,
    /// The group to pull from.
    pub group: String,
}
