//! The in-memory event store.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard},
};

use async_trait::async_trait;
use futures_util::stream;
use tokio::sync::watch;
use uuid::Uuid;

use crate::{
    AppendBatch, AppendError, Appended, AppendedEvent, Capabilities, Clock, CopyError, CopyTarget, Decision,
    Direction, Durability, DurabilityClass, EventStore, EventStream, Incarnation, ListStreams, LogHead,
    Position, ReadAll, ReadError, ReadStream, RecordedEvent, StoredView, StreamCatalog, StreamId, StreamInfo,
    SystemClock, Tenant, Timestamp, Version, Wakeups, append::decide, continues, validate_recorded,
};

/// An event store in memory: keeps every law but durability.
pub struct MemoryStore {
    log: Mutex<Log>,
    head: watch::Sender<Position>,
    incarnation: Incarnation,
    clock: Arc<dyn Clock>,
}

/// Events in order, and where each is: positions are indices plus one.
#[derive(Default)]
struct Log {
    events: Vec<RecordedEvent>,
    ids: HashMap<(Tenant, Uuid), usize>,
    streams: HashMap<(Tenant, StreamId), Vec<usize>>,
}

impl MemoryStore {
    /// An empty store on the machine's clock.
    pub fn new() -> Self {
        Self::with_clock(Arc::new(SystemClock))
    }

    /// An empty store on this clock.
    pub fn with_clock(clock: Arc<dyn Clock>) -> Self {
        let head = watch::Sender::new(Position::START);
        Self { log: Mutex::default(), head, incarnation: Incarnation::random(), clock }
    }

    fn log(&self) -> MutexGuard<'_, Log> {
        self.log.lock().expect("no holder of the log's lock panics")
    }
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new()
    }
}

impl StoredView for Log {
    fn event(&mut self, tenant: &Tenant, id: Uuid) -> Result<Option<RecordedEvent>, AppendError> {
        Ok(self.ids.get(&(tenant.clone(), id)).map(|at| self.events[*at].clone()))
    }

    fn version(&mut self, tenant: &Tenant, stream: &StreamId) -> Result<Version, AppendError> {
        let count = self.streams.get(&(tenant.clone(), stream.clone())).map_or(0, Vec::len);
        Ok(Version::new(count as u64))
    }
}

impl Log {
    fn record(&mut self, batch: &AppendBatch, versions: &[Version], now: Timestamp) -> Vec<AppendedEvent> {
        let recorded_at = self.events.last().map_or(now, |last| last.recorded_at.max(now));
        let mut placed = Vec::with_capacity(versions.len());
        for ((stream, event), version) in batch.events().zip(versions) {
            let position = Position::new(self.events.len() as u64 + 1);
            self.push(RecordedEvent {
                id: event.id,
                tenant: batch.tenant.clone(),
                stream: stream.clone(),
                version: *version,
                position,
                event_type: event.event_type.clone(),
                schema_version: event.schema_version,
                content_type: event.content_type.clone(),
                recorded_at,
                metadata: event.stored_metadata().into(),
                data: event.data.clone(),
            });
            placed.push(AppendedEvent { id: event.id, version: *version, position, recorded_at });
        }
        placed
    }

    fn push(&mut self, event: RecordedEvent) {
        let at = self.events.len();
        self.ids.insert((event.tenant.clone(), event.id), at);
        self.streams.entry((event.tenant.clone(), event.stream.clone())).or_default().push(at);
        self.events.push(event);
    }
}

#[async_trait]
impl EventStore for MemoryStore {
    async fn append(&self, batch: AppendBatch) -> Result<Appended, AppendError> {
        batch.validate()?;
        let durability = (batch.durability == Durability::Durable).then_some(DurabilityClass::Volatile);
        let mut log = self.log();
        match decide(&batch, &mut *log)? {
            Decision::Repeat(events) => Ok(Appended { events, repeated: true, durability }),
            Decision::Append(versions) => {
                let events = log.record(&batch, &versions, self.clock.now());
                // Under the lock, so that hints never go backwards.
                self.head.send_replace(Position::new(log.events.len() as u64));
                Ok(Appended { events, repeated: false, durability })
            }
        }
    }

    fn read_stream(&self, read: ReadStream) -> EventStream {
        let log = self.log();
        let key = (read.tenant.clone(), read.stream.clone());
        let places = log.streams.get(&key).map_or(&[][..], Vec::as_slice);
        let wanted = |version: u64| read.after.get() < version && version <= read.up_to.get();
        let found = places.iter().map(|at| &log.events[*at]).filter(|event| wanted(event.version.get()));
        listed(found, read.direction, read.limit)
    }

    fn read_all(&self, read: ReadAll) -> EventStream {
        let log = self.log();
        let end = usize::try_from(read.up_to.get()).unwrap_or(usize::MAX).min(log.events.len());
        let start = usize::try_from(read.after.get()).unwrap_or(usize::MAX).min(end);
        let found = log.events[start..end].iter().filter(|event| read.filter.accepts(event));
        listed(found, read.direction, read.limit)
    }

    async fn head(&self) -> Result<LogHead, ReadError> {
        let position = Position::new(self.log().events.len() as u64);
        Ok(LogHead { incarnation: self.incarnation, position })
    }

    fn wakeups(&self) -> Wakeups {
        Wakeups::from_watch(self.head.subscribe())
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            durability: DurabilityClass::Volatile,
            multi_stream: true,
            dense_positions: true,
            relaxed: true,
        }
    }
}

#[async_trait]
impl CopyTarget for MemoryStore {
    async fn append_recorded(&self, events: Vec<RecordedEvent>) -> Result<Position, CopyError> {
        let mut log = self.log();
        validate_recorded(&events, Position::new(log.events.len() as u64))?;
        let last = log.events.last().map_or(Timestamp::from_micros(i64::MIN), |last| last.recorded_at);
        continues(&events, last, &mut *log)?;
        events.into_iter().for_each(|event| log.push(event));
        let head = Position::new(log.events.len() as u64);
        self.head.send_replace(head);
        Ok(head)
    }
}

#[async_trait]
impl StreamCatalog for MemoryStore {
    async fn list_streams(&self, list: ListStreams) -> Result<Vec<StreamInfo>, ReadError> {
        let log = self.log();
        let passing =
            log.streams.iter().filter(|((tenant, stream), _)| *tenant == list.tenant && list.accepts(stream));
        let mut found: Vec<_> = passing
            .filter_map(|((_, stream), places)| {
                let last = &log.events[*places.last()?];
                Some(StreamInfo {
                    stream: stream.clone(),
                    version: last.version,
                    last_position: last.position,
                })
            })
            .collect();
        found.sort_unstable_by(|a, b| a.stream.cmp(&b.stream));
        found.truncate(list.limit);
        Ok(found)
    }
}

fn listed<'a>(
    found: impl DoubleEndedIterator<Item = &'a RecordedEvent>,
    direction: Direction,
    limit: usize,
) -> EventStream {
    let events: Vec<_> = match direction {
        Direction::Forwards => found.take(limit).cloned().collect(),
        Direction::Backwards => found.rev().take(limit).cloned().collect(),
    };
    Box::pin(stream::iter(events.into_iter().map(Ok)))
}
