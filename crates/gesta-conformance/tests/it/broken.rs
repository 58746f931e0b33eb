//! Stores in memory, each with one deliberate bug.

use std::sync::Arc;

use async_trait::async_trait;
use futures_util::{StreamExt, TryStreamExt, future, stream};
use gesta_conformance::Backend;
use gesta_core::{
    AppendBatch, AppendError, Appended, Capabilities, Direction, Durability, EventStore, EventStream, Filter,
    ListStreams, LogHead, MemoryStore, Metadata, Position, ReadAll, ReadError, ReadStream, StreamCatalog,
    StreamInfo, Tenant, Timestamp, Version, Wakeups,
};

/// One deliberate bug.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bug {
    None,
    BatchInParts,
    SecondCopyOnRetry,
    VersionBeforeIds,
    VersionIgnored,
    EventLeftOut,
    NeighboursSwapped,
    WrongTenant,
    HeadAhead,
    HeadBehind,
    HintAhead,
    UpperBoundExclusive,
    LimitIgnored,
    AlwaysForwards,
    TraceIsContent,
    TimeOfTheRetry,
    FilterOfTypesIgnored,
    RelaxedSaysDurable,
    SystemStreamsShown,
    ListIgnoresItsStart,
    MetadataRewritten,
}

/// A store in memory with a bug.
#[derive(Clone)]
pub(crate) struct Broken {
    inner: Arc<MemoryStore>,
    bug: Bug,
}

impl Broken {
    pub(crate) fn by(bug: Bug) -> Self {
        Self { inner: Arc::new(MemoryStore::new()), bug }
    }

    async fn append_in_parts(&self, batch: AppendBatch) -> Result<Appended, AppendError> {
        let mut whole = Appended { events: vec![], repeated: false, durability: None };
        for append in batch.appends {
            let part = AppendBatch {
                tenant: batch.tenant.clone(),
                appends: vec![append],
                durability: batch.durability,
            };
            let done = self.inner.append(part).await?;
            whole.events.extend(done.events);
            whole.durability = done.durability;
            tokio::task::yield_now().await;
        }
        Ok(whole)
    }

    async fn append_again(&self, mut batch: AppendBatch) -> Result<Appended, AppendError> {
        let first = self.inner.append(batch.clone()).await?;
        if !first.repeated {
            return Ok(first);
        }
        for append in &mut batch.appends {
            append.expected = gesta_core::ExpectedVersion::Any;
            append.events.iter_mut().for_each(|event| event.id = uuid::Uuid::now_v7());
        }
        self.inner.append(batch).await
    }

    async fn check_versions(&self, batch: &AppendBatch) -> Result<(), AppendError> {
        for append in &batch.appends {
            let read = ReadStream::of(batch.tenant.clone(), append.stream.clone());
            let version = self.inner.read_stream(read).count().await;
            append.expected.check(&append.stream, Version::new(version as u64))?;
        }
        Ok(())
    }
}

#[async_trait]
impl EventStore for Broken {
    async fn append(&self, mut batch: AppendBatch) -> Result<Appended, AppendError> {
        let relaxed = batch.durability == Durability::Relaxed;
        match self.bug {
            Bug::BatchInParts => return self.append_in_parts(batch).await,
            Bug::SecondCopyOnRetry => return self.append_again(batch).await,
            Bug::VersionBeforeIds => self.check_versions(&batch).await?,
            Bug::VersionIgnored => {
                batch
                    .appends
                    .iter_mut()
                    .for_each(|append| append.expected = gesta_core::ExpectedVersion::Any);
            }
            Bug::TraceIsContent => {
                for event in batch.appends.iter_mut().flat_map(|append| &mut append.events) {
                    let trace = event.metadata.traceparent.clone().unwrap_or_default();
                    event.metadata = std::mem::take(&mut event.metadata).with("trace", &trace);
                }
            }
            _ => {}
        }
        let mut done = self.inner.append(batch).await?;
        if self.bug == Bug::TimeOfTheRetry && done.repeated {
            done.events.iter_mut().for_each(|event| event.recorded_at = Timestamp::from_micros(1));
        }
        if self.bug == Bug::RelaxedSaysDurable && relaxed {
            done.durability = Some(self.capabilities().durability);
        }
        Ok(done)
    }

    fn read_stream(&self, mut read: ReadStream) -> EventStream {
        match self.bug {
            Bug::UpperBoundExclusive => read.up_to = Version::new(read.up_to.get().saturating_sub(1)),
            Bug::LimitIgnored => read.limit = usize::MAX,
            Bug::AlwaysForwards => read.direction = Direction::Forwards,
            _ => {}
        }
        let events = self.inner.read_stream(read);
        if self.bug == Bug::MetadataRewritten {
            return Box::pin(events.map_ok(|mut event| {
                event.metadata = Metadata::default().to_json().into();
                event
            }));
        }
        events
    }

    fn read_all(&self, mut read: ReadAll) -> EventStream {
        match self.bug {
            Bug::WrongTenant => read.filter.tenant = None,
            Bug::FilterOfTypesIgnored => read.filter = Filter { types: vec![], ..read.filter },
            Bug::SystemStreamsShown => read.filter.system = true,
            Bug::LimitIgnored => read.limit = usize::MAX,
            _ => {}
        }
        let events = self.inner.read_all(read);
        match self.bug {
            Bug::EventLeftOut => {
                Box::pin(events.try_filter(|event| future::ready(!event.position.get().is_multiple_of(16))))
            }
            Bug::NeighboursSwapped => Box::pin(events.chunks(2).flat_map(|mut pair| {
                pair.reverse();
                stream::iter(pair)
            })),
            _ => events,
        }
    }

    async fn head(&self) -> Result<LogHead, ReadError> {
        let mut head = self.inner.head().await?;
        head.position = match self.bug {
            Bug::HeadAhead => head.position.next(),
            Bug::HeadBehind => Position::new(head.position.get().saturating_sub(1)),
            _ => head.position,
        };
        Ok(head)
    }

    fn wakeups(&self) -> Wakeups {
        if self.bug != Bug::HintAhead {
            return self.inner.wakeups();
        }
        let (hints, mut wakeups) = (tokio::sync::watch::Sender::new(Position::START), self.inner.wakeups());
        let receiver = hints.subscribe();
        tokio::spawn(async move {
            loop {
                hints.send_replace(wakeups.next().await.next());
            }
        });
        Wakeups::from_watch(receiver)
    }

    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }
}

#[async_trait]
impl StreamCatalog for Broken {
    async fn list_streams(&self, mut list: ListStreams) -> Result<Vec<StreamInfo>, ReadError> {
        if self.bug == Bug::ListIgnoresItsStart && list.after.is_some() {
            list.after = None;
            list.limit = 1;
        }
        self.inner.list_streams(list).await
    }
}

#[async_trait]
impl Backend for Broken {
    async fn store(&self, _: &Tenant) -> Arc<dyn EventStore> {
        Arc::new(self.clone())
    }

    async fn catalog(&self, _: &Tenant) -> Arc<dyn StreamCatalog> {
        Arc::new(self.clone())
    }
}
