//! Events into state.

use futures_util::TryStreamExt;
use gesta_core::{EventStream, ReadStream, RecordedEvent, StreamId, Tenant, Timestamp, Version};
use uuid::Uuid;

use super::{LoadError, Loaded, Repository};
use crate::{
    aggregate::{Aggregate, Context},
    upcast::Upcasters,
};

/// State in the making.
#[derive(Debug, Clone)]
pub(crate) struct Folded<A> {
    pub(crate) state: A,
    pub(crate) version: Version,
    /// The last event folded in.
    pub(crate) last: Option<Last>,
}

/// What is remembered of the last event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Last {
    pub(crate) id: Uuid,
    pub(crate) recorded_at: Timestamp,
}

impl<A: Aggregate> Folded<A> {
    /// An aggregate nothing happened to.
    pub(crate) fn empty() -> Self {
        Self { state: A::default(), version: Version::EMPTY, last: None }
    }

    /// Folds a recorded event in. Fails when it cannot be read, and then changes nothing.
    pub(crate) fn apply(&mut self, recorded: &RecordedEvent, upcasters: &Upcasters) -> Result<(), LoadError> {
        let event: A::Event = upcasters.decode(recorded)?;
        // Bytes of a store of ours always parse; what does not is taken as saying nothing.
        let metadata = recorded.metadata().unwrap_or_default();
        let context = Context {
            id: recorded.stream.key(),
            version: recorded.version,
            at: metadata.occurred_at.unwrap_or(recorded.recorded_at),
            user_id: metadata.user_id.as_deref(),
        };
        self.state.apply(&event, &context);
        self.version = recorded.version;
        self.last = Some(Last { id: recorded.id, recorded_at: recorded.recorded_at });
        Ok(())
    }

    pub(crate) fn into_loaded(self) -> Option<Loaded<A>> {
        let last = self.last?;
        Some(Loaded { state: self.state, version: self.version, at: last.recorded_at })
    }
}

impl<A: Aggregate> Repository<A> {
    /// The state of now.
    pub(super) async fn fold(&self, tenant: &Tenant, stream: &StreamId) -> Result<Folded<A>, LoadError> {
        self.fold_up_to(tenant, stream, Version::new(u64::MAX)).await
    }

    /// The state at a version.
    pub(super) async fn fold_up_to(
        &self,
        tenant: &Tenant,
        stream: &StreamId,
        version: Version,
    ) -> Result<Folded<A>, LoadError> {
        let mut folded = Folded::empty();
        let mut events = self.events(tenant, stream, folded.version, version);
        while let Some(event) = events.try_next().await? {
            folded.apply(&event, &self.upcasters)?;
        }
        Ok(folded)
    }

    /// The state of events recorded until a time. Times never fall along a stream, so the first later event ends it.
    pub(super) async fn fold_until(
        &self,
        tenant: &Tenant,
        stream: &StreamId,
        time: Timestamp,
    ) -> Result<Folded<A>, LoadError> {
        let mut folded = Folded::empty();
        let mut events = self.events(tenant, stream, folded.version, Version::new(u64::MAX));
        while let Some(event) = events.try_next().await? {
            if event.recorded_at > time {
                break;
            }
            folded.apply(&event, &self.upcasters)?;
        }
        Ok(folded)
    }

    pub(crate) fn events(
        &self,
        tenant: &Tenant,
        stream: &StreamId,
        after: Version,
        up_to: Version,
    ) -> EventStream {
        let read = ReadStream::of(tenant.clone(), stream.clone()).after(after).up_to(up_to);
        self.store.read_stream(read)
    }
}
