//! Events into state.

use futures_util::TryStreamExt;
use gesta_core::{EventStream, ReadStream, RecordedEvent, StreamId, Tenant, Timestamp, Version};
use uuid::Uuid;

use super::{LoadError, Loaded, Repository, Seen};
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
    /// The version of the last snapshot it knows of; 0 for none.
    pub(crate) snapshot: Version,
}

/// What is remembered of the last event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Last {
    pub(crate) id: Uuid,
    /// When it happened.
    pub(crate) at: Timestamp,
    /// When the last to happen of all events so far happened: mostly the same.
    pub(crate) latest: Timestamp,
}

impl<A: Aggregate> Folded<A> {
    /// An aggregate nothing happened to.
    pub(crate) fn empty() -> Self {
        Self { state: A::default(), version: Version::EMPTY, last: None, snapshot: Version::EMPTY }
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
        self.advance(&event, recorded.id, &context);
        Ok(())
    }

    /// Folds an event in.
    pub(crate) fn advance(&mut self, event: &A::Event, id: Uuid, context: &Context<'_>) {
        self.state.apply(event, context);
        self.version = context.version;
        let latest = self.last.map_or(context.at, |last| last.latest.max(context.at));
        self.last = Some(Last { id, at: context.at, latest });
    }

    pub(crate) fn into_loaded(self) -> Option<Loaded<A>> {
        let last = self.last?;
        Some(Loaded { state: self.state, version: self.version, at: last.at })
    }
}

impl<A: Aggregate> Repository<A> {
    /// The state of now.
    pub(crate) async fn fold(&self, tenant: &Tenant, stream: &StreamId) -> Result<Folded<A>, LoadError> {
        let mut folded = self.fold_up_to(tenant, stream, Version::new(u64::MAX)).await?;
        // Also of what is only read: else a stream that nobody writes to is folded from its beginning every time.
        self.save_if_due(tenant, stream, &mut folded).await;
        Ok(folded)
    }

    /// The state at a version.
    pub(crate) async fn fold_up_to(
        &self,
        tenant: &Tenant,
        stream: &StreamId,
        version: Version,
    ) -> Result<Folded<A>, LoadError> {
        let mut folded = self.begin(tenant, stream, |saved| saved.version <= version).await?;
        let mut events = self.events(tenant, stream, folded.version, version);
        while let Some(event) = events.try_next().await? {
            folded.apply(&event, &self.upcasters)?;
        }
        Ok(folded)
    }

    /// The state of the events up to the first that happened after a time.
    pub(crate) async fn fold_until(
        &self,
        tenant: &Tenant,
        stream: &StreamId,
        time: Timestamp,
    ) -> Result<Folded<A>, LoadError> {
        let early = |saved: &Folded<A>| saved.last.is_some_and(|last| last.latest <= time);
        let mut folded = self.begin(tenant, stream, early).await?;
        let mut events = self.events(tenant, stream, folded.version, Version::new(u64::MAX));
        while let Some(event) = events.try_next().await? {
            if happened_at(&event) > time {
                break;
            }
            folded.apply(&event, &self.upcasters)?;
        }
        Ok(folded)
    }

    /// Saves a snapshot if the last one is far enough behind.
    pub(crate) async fn save_if_due(&self, tenant: &Tenant, stream: &StreamId, folded: &mut Folded<A>) {
        let Some(snapshots) = &self.snapshots else { return };
        if let Some(seen) = snapshots.save_if_due(tenant, stream, folded).await {
            self.tell(seen);
        }
    }

    /// What to fold onto: the latest snapshot if it is usable and of this very stream, else nothing.
    async fn begin(
        &self,
        tenant: &Tenant,
        stream: &StreamId,
        usable: impl Fn(&Folded<A>) -> bool + Send,
    ) -> Result<Folded<A>, LoadError> {
        let Some(snapshots) = &self.snapshots else { return Ok(Folded::empty()) };
        let Ok(saved) = snapshots.load(tenant, stream).await else {
            self.tell(Seen::SnapshotPassedOver);
            return Ok(Folded::empty());
        };
        let saved = saved.filter(usable);
        let (Some(saved), Some(last)) = (&saved, saved.as_ref().and_then(|saved| saved.last)) else {
            return Ok(Folded::empty());
        };
        // A log put back from a backup may have gone another way since: then its event there is another one.
        let before = Version::new(saved.version.get().saturating_sub(1));
        let there = self.events(tenant, stream, before, saved.version).try_next().await?;
        let here = there.is_some_and(|event| event.id == last.id);
        self.tell(if here { Seen::SnapshotUsed } else { Seen::SnapshotPassedOver });
        Ok(if here { saved.clone() } else { Folded::empty() })
    }

    pub(super) fn tell(&self, seen: Seen) {
        self.told.tell(A::CATEGORY, seen);
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

fn happened_at(event: &RecordedEvent) -> Timestamp {
    event.metadata().ok().and_then(|metadata| metadata.occurred_at).unwrap_or(event.recorded_at)
}
