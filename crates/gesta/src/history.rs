//! How an aggregate came to be what it is: its events, what differs between two versions, and who set a field.
//!
//! Everything here shows the state as JSON, so it needs a state that serde can write.

use futures_util::TryStreamExt;
use gesta_core::{EventType, RecordedEvent, Tenant, Timestamp, Version};
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use crate::{
    aggregate::{Aggregate, stream_of},
    repository::{Folded, LoadError, Repository},
    upcast::Upcasters,
};

mod diff;
mod latest;
pub use diff::{Change, changes};
use latest::Latest;

/// Which state is meant.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum At {
    /// That of now.
    #[default]
    Latest,
    /// That with so many events; of the empty aggregate at 0, and that of now beyond the last event.
    Version(Version),
    /// That with the events that had happened by then: up to the first that happened later.
    Time(Timestamp),
}

/// A state as JSON.
#[derive(Debug, Clone, PartialEq)]
pub struct StateView {
    /// How many events are folded in.
    pub version: Version,
    /// When the last of them happened.
    pub at: Timestamp,
    /// The state.
    pub state: Value,
}

/// What differs between two states.
#[derive(Debug, Clone, PartialEq)]
pub struct Diff {
    /// The version of the one; 0 is before the first event.
    pub from: Version,
    /// The version of the other.
    pub to: Version,
    /// The differences, in the order of their paths.
    pub changes: Vec<Change>,
}

/// An event of the past, in today's shape.
#[derive(Debug, Clone, PartialEq)]
pub struct Past {
    /// Its place in the stream.
    pub version: Version,
    /// Its id.
    pub event_id: Uuid,
    /// Its type, as stored.
    pub event_type: EventType,
    /// Its schema version, as stored.
    pub schema_version: u32,
    /// When it happened.
    pub at: Timestamp,
    /// When it was recorded.
    pub recorded_at: Timestamp,
    /// Who caused it, if that was said.
    pub user_id: Option<String>,
    /// The conversation it belongs to.
    pub correlation_id: Option<String>,
    /// What led to it.
    pub causation_id: Option<String>,
    /// Its data, through the upcasters.
    pub data: Value,
}

/// An event that changed a field.
#[derive(Debug, Clone, PartialEq)]
pub struct FieldSet {
    /// The event.
    pub event: Past,
    /// What was there before; `None` when nothing was.
    pub before: Option<Value>,
    /// What is there since; `None` when nothing is.
    pub after: Option<Value>,
}

/// The events that changed a field.
#[derive(Debug, Clone, PartialEq)]
pub struct FieldSets {
    /// The latest of them, oldest first.
    pub sets: Vec<FieldSet>,
    /// Whether earlier ones are left out, because of their number or their size.
    pub cut: bool,
}

/// A look at the past failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HistoryError {
    /// The aggregate could not be loaded.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The state is nothing that JSON can show.
    #[error(
        "the state of {category} cannot be written as JSON: {source}; change its fields so that serde can"
    )]
    State {
        /// The kind of aggregate.
        category: &'static str,
        /// What serde said.
        source: serde_json::Error,
    },
}

impl<A: Aggregate + Serialize> Repository<A> {
    /// A state as JSON; `None` if there is no event until then.
    pub async fn view(&self, tenant: &Tenant, key: &str, at: At) -> Result<Option<StateView>, HistoryError> {
        let folded = self.folded(tenant, key, at).await?;
        let Some(last) = folded.last else { return Ok(None) };
        Ok(Some(StateView { version: folded.version, at: last.at, state: json(&folded.state)? }))
    }

    /// What differs between two states of one aggregate; `None` if it has no event at all.
    pub async fn diff(
        &self,
        tenant: &Tenant,
        key: &str,
        from: At,
        to: At,
    ) -> Result<Option<Diff>, HistoryError> {
        let (from, to) = (self.folded(tenant, key, from).await?, self.folded(tenant, key, to).await?);
        if from.last.is_none() && to.last.is_none() && !self.has_begun(tenant, key).await? {
            return Ok(None);
        }
        let changes = changes(&json(&from.state)?, &json(&to.state)?);
        Ok(Some(Diff { from: from.version, to: to.version, changes }))
    }

    /// The events that changed a field, oldest first; the last one explains what is there now. At most the latest
    /// `limit` of them, and at most as many of these as fit into 8 MiB of memory with their data and values, but always
    /// the last one. The field is a JSON pointer (RFC 6901) into the state, such as `/items/0/quantity`; empty for the
    /// whole state. Reads and shows the state once for each event.
    pub async fn field_history(
        &self,
        tenant: &Tenant,
        key: &str,
        field: &str,
        limit: usize,
    ) -> Result<FieldSets, HistoryError> {
        let stream = stream_of::<A>(key).map_err(LoadError::from)?;
        let mut folded = Folded::<A>::empty();
        let mut before = json(&folded.state)?.pointer(field).cloned();
        let mut found = Latest::new(limit);
        let mut events = self.events(tenant, &stream, Version::EMPTY, Version::new(u64::MAX));
        while let Some(event) = events.try_next().await.map_err(LoadError::from)? {
            folded.apply(&event, self.upcasters())?;
            let after = json(&folded.state)?.pointer(field).cloned();
            if after != before {
                let event = past::<A>(&event, self.upcasters())?;
                found.push(FieldSet { event, before, after: after.clone() });
                before = after;
            }
        }
        Ok(found.finish())
    }

    async fn has_begun(&self, tenant: &Tenant, key: &str) -> Result<bool, LoadError> {
        let stream = stream_of::<A>(key)?;
        let first = self.events(tenant, &stream, Version::EMPTY, Version::new(1)).try_next().await?;
        Ok(first.is_some())
    }

    async fn folded(&self, tenant: &Tenant, key: &str, at: At) -> Result<Folded<A>, LoadError> {
        let stream = stream_of::<A>(key)?;
        match at {
            At::Latest => self.fold(tenant, &stream).await,
            At::Version(version) => self.fold_up_to(tenant, &stream, version).await,
            At::Time(time) => self.fold_until(tenant, &stream, time).await,
        }
    }
}

impl<A: Aggregate> Repository<A> {
    /// The events behind `after`, oldest first, at most `limit`, in today's shape.
    pub async fn history(
        &self,
        tenant: &Tenant,
        key: &str,
        after: Version,
        limit: usize,
    ) -> Result<Vec<Past>, LoadError> {
        let stream = stream_of::<A>(key)?;
        let up_to = Version::new(after.get().saturating_add(limit as u64));
        let mut events = self.events(tenant, &stream, after, up_to);
        let mut found = Vec::new();
        while let Some(event) = events.try_next().await? {
            found.push(past::<A>(&event, self.upcasters())?);
        }
        Ok(found)
    }
}

fn json<A: Aggregate + Serialize>(state: &A) -> Result<Value, HistoryError> {
    serde_json::to_value(state).map_err(|source| HistoryError::State { category: A::CATEGORY, source })
}

fn past<A: Aggregate>(event: &RecordedEvent, upcasters: &Upcasters) -> Result<Past, LoadError> {
    let metadata = event.metadata().unwrap_or_default();
    Ok(Past {
        version: event.version,
        event_id: event.id,
        event_type: event.event_type.clone(),
        schema_version: event.schema_version,
        at: metadata.occurred_at.unwrap_or(event.recorded_at),
        recorded_at: event.recorded_at,
        user_id: metadata.user_id,
        correlation_id: metadata.correlation_id,
        causation_id: metadata.causation_id,
        data: upcasters.value::<A::Event>(event)?,
    })
}
