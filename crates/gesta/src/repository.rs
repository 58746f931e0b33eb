//! Loads, decides, appends.
//!
//! ```
//! use std::sync::Arc;
//! use gesta::{Aggregate, Command, Context, Event, Repository};
//! use gesta_core::{MemoryStore, Version};
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Debug, Clone, Serialize, Deserialize)]
//! struct Raised { by: u32 }
//!
//! #[derive(Debug, Clone, Event)]
//! enum CounterEvent {
//!     #[event(name = "CounterRaised")]
//!     Raised(Raised),
//! }
//!
//! #[derive(Default, Clone)]
//! struct Counter { total: u32 }
//!
//! impl Aggregate for Counter {
//!     const CATEGORY: &'static str = "counter";
//!     type Command = u32;
//!     type Event = CounterEvent;
//!     type Rejection = std::convert::Infallible;
//!
//!     fn decide(&self, by: &u32, _: &Context<'_>) -> Result<Vec<CounterEvent>, Self::Rejection> {
//!         Ok(if *by == 0 { vec![] } else { vec![CounterEvent::Raised(Raised { by: *by })] })
//!     }
//!
//!     fn apply(&mut self, CounterEvent::Raised(raised): &CounterEvent, _: &Context<'_>) {
//!         self.total += raised.by;
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let counters = Repository::<Counter>::new(Arc::new(MemoryStore::new()));
//! let raise = Command::new("visits", 2);
//! assert_eq!(counters.execute(raise.clone()).await?.state.total, 2);
//! let again = counters.execute(raise).await?;
//! assert!(again.repeated && again.version == Version::new(1), "the same command takes effect once");
//! # Ok(()) }
//! ```

use std::{fmt, sync::Arc};

use gesta_core::{
    AppendedEvent, Clock, EventStore, InvalidStreamId, Position, ReadError, SnapshotStore, SystemClock,
    Tenant, Timestamp, Version,
};
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    aggregate::{Aggregate, stream_of},
    event::{self, Event},
    snapshot::{SnapshotPolicy, Snapshots},
    upcast::{DecodeError, InvalidUpcasters, Upcasters},
};

mod execute;
mod execute_error;
mod fold;
mod observer;
mod settle;

pub use execute_error::ExecuteError;
pub(crate) use fold::{Folded, Last};
use observer::Told;
pub use observer::{Observer, Seen};

/// How often a command decides, the first time included, unless set.
const ATTEMPTS: u32 = 3;

/// Loads aggregates of one kind, lets them decide, and appends what comes of it.
///
/// It holds no state and no lock: many repositories, in one process or in many, may work on one stream, and the expected
/// version of every append keeps them apart. Cloning is cheap.
#[doc(alias = "command bus")]
#[doc(alias = "command handler")]
pub struct Repository<A: Aggregate> {
    store: Arc<dyn EventStore>,
    upcasters: Arc<Upcasters>,
    snapshots: Option<Snapshots<A>>,
    clock: Arc<dyn Clock>,
    attempts: u32,
    told: Told,
}

/// An aggregate as it is at a version.
#[derive(Debug, Clone, PartialEq)]
pub struct Loaded<A> {
    /// The folded state.
    pub state: A,
    /// How many events are folded in.
    pub version: Version,
    /// When the last of them happened.
    pub at: Timestamp,
}

/// What became of a command.
#[derive(Debug, Clone)]
pub struct Executed<A: Aggregate> {
    /// The state after the command.
    pub state: A,
    /// The version after the command; the one before it if nothing changed.
    pub version: Version,
    /// The events that came of it, none if nothing changed.
    pub events: Vec<A::Event>,
    /// Where they are, one for each.
    pub appended: Vec<AppendedEvent>,
    /// Whether a command of this id took effect earlier, so that this is its first result again.
    pub repeated: bool,
}

/// An aggregate could not be loaded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// The key cannot be a part of a stream's name.
    #[error(transparent)]
    Key(#[from] InvalidStreamId),
    /// The store cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// An event of the stream cannot be read as one of the aggregate's.
    #[error(transparent)]
    Decode(#[from] Box<DecodeError>),
}

impl<A: Aggregate> Repository<A> {
    /// A repository over this store, without snapshots and upcasters, on the machine's clock.
    ///
    /// Does not compile for an aggregate that has two kinds of events with one spelling:
    ///
    /// ```compile_fail,E0080
    /// # use gesta::{Aggregate, Context, Repository, event::{Event, EventKind}};
    /// #[derive(Clone)]
    /// struct Written;
    ///
    /// impl Event for Written {
    ///     const KINDS: &'static [EventKind] = &[
    ///         EventKind { name: "Made", schema_version: 1, aliases: &["made"] },
    ///         EventKind { name: "made", schema_version: 1, aliases: &[] },
    ///     ];
    ///     // …
    /// #   fn kind(&self) -> &'static EventKind { &Self::KINDS[0] }
    /// #   fn encode(&self) -> Result<Vec<u8>, serde_json::Error> { Ok(vec![]) }
    /// #   fn decode(_: &'static EventKind, _: &[u8]) -> Result<Self, serde_json::Error> { Ok(Self) }
    /// }
    /// # #[derive(Default, Clone)]
    /// # struct Thing;
    /// # impl Aggregate for Thing {
    /// #     const CATEGORY: &'static str = "thing";
    /// #     type Command = ();
    /// #     type Event = Written;
    /// #     type Rejection = std::convert::Infallible;
    /// #     fn decide(&self, _: &(), _: &Context<'_>) -> Result<Vec<Written>, Self::Rejection> { Ok(vec![]) }
    /// #     fn apply(&mut self, _: &Written, _: &Context<'_>) {}
    /// # }
    /// let things = Repository::<Thing>::new(std::sync::Arc::new(gesta_core::MemoryStore::new()));
    /// ```
    pub fn new(store: Arc<dyn EventStore>) -> Self {
        const { assert!(event::distinct(A::Event::KINDS), "two kinds of events share a spelling") };
        Self {
            store,
            upcasters: Arc::default(),
            clock: Arc::new(SystemClock),
            attempts: ATTEMPTS,
            snapshots: None,
            told: Told::default(),
        }
    }

    /// The same, reading old events through these. Fails when they do not lead from every old schema version of the
    /// aggregate's events to today's; upcasters of other events do not matter.
    pub fn with_upcasters(mut self, upcasters: impl Into<Arc<Upcasters>>) -> Result<Self, InvalidUpcasters> {
        self.upcasters = upcasters.into();
        self.check()?;
        Ok(self)
    }

    /// The same, saving state now and then, so that a long stream is not folded from its beginning.
    ///
    /// Snapshots are a shortcut and never the truth. One that cannot be used (another type of state, another revision,
    /// another log, damage, a store that does not answer) is passed over and the events are folded instead; one that
    /// cannot be saved is logged. Neither fails a command.
    pub fn with_snapshots(mut self, store: Arc<dyn SnapshotStore>, policy: SnapshotPolicy) -> Self
    where
        A: Serialize + DeserializeOwned,
    {
        self.snapshots = Some(Snapshots::new(store, policy));
        self
    }

    /// The same with the time of commands from this clock.
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// The same, deciding so often when other writers come first, the first time included; at least once.
    pub fn with_attempts(mut self, attempts: u32) -> Self {
        self.attempts = attempts.max(1);
        self
    }

    /// The same, telling this observer what happens: how long streams are when commands decide, and what becomes of
    /// snapshots. A server's telemetry is one.
    pub fn with_observer(mut self, observer: Arc<dyn Observer>) -> Self {
        self.told = Told::of(observer);
        self
    }

    /// Whether every old schema version of the aggregate's events can be read. A start-up check for a repository without
    /// [`Repository::with_upcasters`], which calls it.
    pub fn check(&self) -> Result<(), InvalidUpcasters> {
        self.upcasters.check::<A::Event>()
    }

    pub(crate) fn upcasters(&self) -> &Upcasters {
        &self.upcasters
    }

    /// The aggregate as it is now; `None` if nothing happened to it yet.
    pub async fn load(&self, tenant: &Tenant, key: &str) -> Result<Option<Loaded<A>>, LoadError> {
        let stream = stream_of::<A>(key)?;
        Ok(self.fold(tenant, &stream).await?.into_loaded())
    }

    /// The aggregate as it was at this version, or as it is if it has not come so far; `None` if it has no event.
    #[doc(alias = "time travel")]
    pub async fn load_version(
        &self,
        tenant: &Tenant,
        key: &str,
        version: Version,
    ) -> Result<Option<Loaded<A>>, LoadError> {
        let stream = stream_of::<A>(key)?;
        Ok(self.fold_up_to(tenant, &stream, version).await?.into_loaded())
    }

    /// The aggregate as it was at this time: with its events up to the first that happened later. `None` if there were
    /// none. An event happened when it says it occurred, else when it was recorded.
    #[doc(alias = "time travel")]
    pub async fn load_at(
        &self,
        tenant: &Tenant,
        key: &str,
        time: Timestamp,
    ) -> Result<Option<Loaded<A>>, LoadError> {
        let stream = stream_of::<A>(key)?;
        Ok(self.fold_until(tenant, &stream, time).await?.into_loaded())
    }
}

impl<A: Aggregate> Executed<A> {
    /// Where its last event is, to wait until a read model has seen it; `None` if nothing changed.
    pub fn position(&self) -> Option<Position> {
        self.appended.last().map(|event| event.position)
    }
}

impl<A: Aggregate> Clone for Repository<A> {
    fn clone(&self) -> Self {
        Self {
            store: self.store.clone(),
            upcasters: self.upcasters.clone(),
            clock: self.clock.clone(),
            attempts: self.attempts,
            snapshots: self.snapshots.clone(),
            told: self.told.clone(),
        }
    }
}

impl<A: Aggregate> fmt::Debug for Repository<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Repository").field("category", &A::CATEGORY).finish_non_exhaustive()
    }
}

impl From<DecodeError> for LoadError {
    fn from(error: DecodeError) -> Self {
        Self::Decode(Box::new(error))
    }
}
