//! A store that knows aliases.

use std::sync::Arc;

use async_trait::async_trait;

use super::Aliases;
use crate::{
    AppendBatch, AppendError, Appended, Capabilities, EventStore, EventStream, Filter, LogHead, ReadAll,
    ReadError, ReadStream, Wakeups,
};

/// A store whose readers may name a type by any of its spellings.
///
/// Put it around a store once, and subscriptions, processors and groups over it treat all spellings of a type as one.
/// It changes which events pass a filter and nothing else: events are handed out as they were stored.
///
/// ```
/// use std::sync::Arc;
/// use futures_util::TryStreamExt;
/// use gesta_core::*;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let aliases = Aliases::of([("SampleCreated", ["sample.created"])])?;
/// let store = AliasedStore::new(Arc::new(MemoryStore::new()), aliases);
/// let created = NewEvent::new("sample.created", "{}");
/// store.append(AppendBatch::to("sample-1".parse()?, ExpectedVersion::Any, [created])).await?;
///
/// let filter = Filter::of(Tenant::default()).types(["SampleCreated"]);
/// let found: Vec<_> = store.read_all(ReadAll::of(filter)).try_collect().await?;
/// assert_eq!(&*found[0].event_type, "sample.created");
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct AliasedStore {
    store: Arc<dyn EventStore>,
    aliases: Aliases,
}

impl AliasedStore {
    /// This store, read with these aliases.
    pub fn new(store: Arc<dyn EventStore>, aliases: Aliases) -> Self {
        Self { store, aliases }
    }

    /// The aliases it reads with.
    pub fn aliases(&self) -> &Aliases {
        &self.aliases
    }
}

#[async_trait]
impl EventStore for AliasedStore {
    async fn append(&self, batch: AppendBatch) -> Result<Appended, AppendError> {
        self.store.append(batch).await
    }

    fn read_stream(&self, read: ReadStream) -> EventStream {
        self.store.read_stream(read)
    }

    fn read_all(&self, read: ReadAll) -> EventStream {
        self.store.read_all(ReadAll { filter: self.aliases.expand(read.filter), ..read })
    }

    async fn head(&self) -> Result<LogHead, ReadError> {
        self.store.head().await
    }

    fn wakeups(&self) -> Wakeups {
        self.store.wakeups()
    }

    fn capabilities(&self) -> Capabilities {
        self.store.capabilities()
    }

    fn understood(&self, filter: Filter) -> Filter {
        self.store.understood(self.aliases.expand(filter))
    }
}
