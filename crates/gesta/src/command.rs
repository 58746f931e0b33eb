//! A request to change one thing.

use gesta_core::{Metadata, RecordedEvent, Tenant, Timestamp, Version};
use uuid::Uuid;

use crate::aggregate::Aggregate;

/// A request to change one aggregate, with what is known about it.
///
/// The id is the idempotence key: however often a command with one id is executed, it takes effect once, and every
/// execution returns the first result. Make it before the first try and keep it for every retry.
///
/// ```
/// use gesta::Command;
/// use gesta_core::Version;
///
/// let confirm = Command::new("42", "confirm").expecting(Version::new(1)).by("ada").correlated("checkout-7");
/// assert_eq!(confirm.metadata.user_id.as_deref(), Some("ada"));
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Command<C> {
    /// The command's id. The ids of its events are made from it.
    pub id: Uuid,
    /// Whose aggregate.
    pub tenant: Tenant,
    /// Which aggregate of its kind: the stream is `category-key`.
    pub key: String,
    /// What is asked for.
    pub payload: C,
    /// The version the caller has seen, if it must still hold (`If-Match`); 0 for an aggregate that is not there yet.
    pub expected: Option<Version>,
    /// What its events carry: correlation (the command's id unless given), causation (the command's id unless given),
    /// user, `occurred_at`, trace, and the caller's own keys.
    pub metadata: Metadata,
}

impl<C> Command<C> {
    /// A command to the aggregate with this key, of the default tenant, with a fresh id.
    pub fn new(key: impl Into<String>, payload: C) -> Self {
        Self {
            id: Uuid::now_v7(),
            tenant: Tenant::default(),
            key: key.into(),
            payload,
            expected: None,
            metadata: Metadata::default(),
        }
    }

    /// The same with this id.
    pub fn with_id(mut self, id: Uuid) -> Self {
        self.id = id;
        self
    }

    /// The same for this tenant.
    pub fn of(mut self, tenant: Tenant) -> Self {
        self.tenant = tenant;
        self
    }

    /// The same, refused with a conflict unless the aggregate is at this version.
    pub fn expecting(mut self, version: Version) -> Self {
        self.expected = Some(version);
        self
    }

    /// The same with this metadata in place of what it had.
    pub fn with_metadata(mut self, metadata: Metadata) -> Self {
        self.metadata = metadata;
        self
    }

    /// The same in this conversation.
    pub fn correlated(mut self, correlation_id: impl Into<String>) -> Self {
        self.metadata.correlation_id = Some(correlation_id.into());
        self
    }

    /// The same with this cause in place of the command itself.
    pub fn caused_by(mut self, causation_id: impl Into<String>) -> Self {
        self.metadata.causation_id = Some(causation_id.into());
        self
    }

    /// The same by this user.
    pub fn by(mut self, user_id: impl Into<String>) -> Self {
        self.metadata.user_id = Some(user_id.into());
        self
    }

    /// The same, having happened at this time and not when it is recorded.
    pub fn occurred_at(mut self, time: Timestamp) -> Self {
        self.metadata.occurred_at = Some(time);
        self
    }

    /// The same as the answer of `reaction` to an event: its tenant and conversation, caused by it, and with an id made
    /// from both and the aggregate's name, so that an event delivered twice leads to one effect on each aggregate: write
    /// `in_answer_to::<Order>(event, "confirm")`. Fails on metadata that no store of ours wrote.
    pub fn in_answer_to<A: Aggregate<Command = C>>(
        mut self,
        event: &RecordedEvent,
        reaction: &str,
    ) -> Result<Self, gesta_core::InvalidMetadata> {
        self.metadata.correlation_id = event.metadata()?.correlation_id;
        self.metadata.causation_id = Some(event.id.to_string());
        self.tenant = event.tenant.clone();
        self.id = Uuid::new_v5(&event.id, format!("{reaction}/{}-{}", A::CATEGORY, self.key).as_bytes());
        Ok(self)
    }

    /// The id of its event at this place, from 0: the same for every execution.
    pub fn event_id(&self, place: usize) -> Uuid {
        Uuid::new_v5(&self.id, place.to_string().as_bytes())
    }

    /// What its events carry.
    pub(crate) fn event_metadata(&self) -> Metadata {
        let mut metadata = self.metadata.clone();
        metadata.correlation_id.get_or_insert_with(|| self.id.to_string());
        metadata.causation_id.get_or_insert_with(|| self.id.to_string());
        metadata
    }
}
