//! Which events a reader wants.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{Metadata, Pattern, Priority, RecordedEvent, Tenant, Timestamp};

/// Which events a reader wants. An empty part restricts nothing; all parts must hold.
///
/// Streams of Gesta itself (their category begins with `$`) pass only when [`Filter::system`] is set.
///
/// ```
/// use gesta_core::{Filter, Tenant};
/// let filter = Filter::of(Tenant::default()).types(["sample.*"]).categories(["sample"]);
/// # let _ = filter;
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Filter {
    /// Whose events; `None` reads across tenants and is for Gesta's own work only.
    pub tenant: Option<Tenant>,
    /// Any of these types.
    pub types: Vec<Pattern>,
    /// Least and greatest schema version, inclusive.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schema_versions: Option<(u32, u32)>,
    /// Any of these streams.
    pub streams: Vec<Pattern>,
    /// Any of these categories, exactly.
    pub categories: Vec<String>,
    /// Any of these sources, exactly.
    pub sources: Vec<String>,
    /// Any of these subjects; an event without one fails.
    pub subjects: Vec<Pattern>,
    /// Every one of these metadata keys has this text.
    pub metadata: BTreeMap<String, String>,
    /// Least and greatest priority number, inclusive.
    pub priority: Option<(Priority, Priority)>,
    /// This correlation.
    pub correlation_id: Option<String>,
    /// Recorded at this time or later.
    pub recorded_from: Option<Timestamp>,
    /// Recorded before this time.
    pub recorded_before: Option<Timestamp>,
    /// Any of these ids.
    pub ids: Vec<Uuid>,
    /// Streams of Gesta itself too.
    pub system: bool,
}

impl Filter {
    /// All of one tenant's events.
    pub fn of(tenant: Tenant) -> Self {
        Self { tenant: Some(tenant), ..Self::default() }
    }

    /// Everything of every tenant, Gesta's own streams too: for backends, checks and copies.
    pub fn everything() -> Self {
        Self { system: true, ..Self::default() }
    }

    /// Only these types.
    pub fn types<P: Into<Pattern>>(mut self, types: impl IntoIterator<Item = P>) -> Self {
        self.types = types.into_iter().map(Into::into).collect();
        self
    }

    /// Only events whose data has this schema version, or one between the two.
    pub fn schema_versions(mut self, least: u32, greatest: u32) -> Self {
        self.schema_versions = Some((least, greatest));
        self
    }

    /// Only these streams.
    pub fn streams<P: Into<Pattern>>(mut self, streams: impl IntoIterator<Item = P>) -> Self {
        self.streams = streams.into_iter().map(Into::into).collect();
        self
    }

    /// Only these categories.
    pub fn categories<S: Into<String>>(mut self, categories: impl IntoIterator<Item = S>) -> Self {
        self.categories = categories.into_iter().map(Into::into).collect();
        self
    }

    /// Only these ids.
    pub fn ids(mut self, ids: impl IntoIterator<Item = Uuid>) -> Self {
        self.ids = ids.into_iter().collect();
        self
    }

    /// Only this correlation.
    pub fn correlation(mut self, id: impl Into<String>) -> Self {
        self.correlation_id = Some(id.into());
        self
    }

    /// Gesta's own streams too.
    pub fn with_system(mut self) -> Self {
        self.system = true;
        self
    }

    /// The same with its types in a fixed order and each once: two filters with the same types are then equal.
    pub fn sorted_types(mut self) -> Self {
        self.types.sort_unstable();
        self.types.dedup();
        self
    }

    /// Whether an event passes. Metadata that cannot be read passes no filter that asks for it.
    pub fn accepts(&self, event: &RecordedEvent) -> bool {
        self.accepts_fields(event) && (!self.asks_for_metadata() || self.accepts_bytes(event))
    }

    fn accepts_fields(&self, event: &RecordedEvent) -> bool {
        any(&self.types, &event.event_type)
            && self.tenant.as_ref().is_none_or(|tenant| *tenant == event.tenant)
            && (self.system || !event.stream.is_system())
            && self.schema_versions.is_none_or(|(least, most)| (least..=most).contains(&event.schema_version))
            && any(&self.streams, event.stream.as_str())
            && (self.categories.is_empty() || self.categories.iter().any(|c| c == event.stream.category()))
            && (self.ids.is_empty() || self.ids.contains(&event.id))
            && self.recorded_from.is_none_or(|from| from <= event.recorded_at)
            && self.recorded_before.is_none_or(|before| event.recorded_at < before)
    }

    /// Whether a decision needs the event's metadata.
    fn asks_for_metadata(&self) -> bool {
        !(self.sources.is_empty()
            && self.subjects.is_empty()
            && self.metadata.is_empty()
            && self.priority.is_none()
            && self.correlation_id.is_none())
    }

    fn accepts_bytes(&self, event: &RecordedEvent) -> bool {
        event.metadata().is_ok_and(|metadata| self.accepts_metadata(&metadata))
    }

    fn accepts_metadata(&self, metadata: &Metadata) -> bool {
        let source = metadata.source.as_deref();
        let subject = metadata.subject.as_deref();
        (self.sources.is_empty() || source.is_some_and(|given| self.sources.iter().any(|s| s == given)))
            && (self.subjects.is_empty() || subject.is_some_and(|given| any(&self.subjects, given)))
            && self.metadata.iter().all(|(key, text)| metadata.text(key).is_some_and(|given| given == *text))
            && self.priority.is_none_or(|(least, most)| (least..=most).contains(&metadata.priority()))
            && self.correlation_id.as_ref().is_none_or(|id| metadata.correlation_id.as_ref() == Some(id))
    }
}

fn any(patterns: &[Pattern], text: &str) -> bool {
    patterns.is_empty() || patterns.iter().any(|pattern| pattern.matches(text))
}
