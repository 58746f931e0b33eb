//! Copying a log: events go into another one as they were recorded.

use std::collections::{HashMap, HashSet};

use async_trait::async_trait;
use uuid::Uuid;

use crate::{
    AppendError, Invalid, InvalidMetadata, Metadata, Position, RecordedEvent, StoredView, StreamId, Tenant,
    Timestamp, Version, append::validate_fields, limits,
};

/// A log that takes events as another one has recorded them: the target of a copy.
///
/// Ids, tenants, versions, positions, times, metadata and data stay as they are, to the byte of the
/// [envelope](crate::encode_recorded). The target keeps a life of its own: cursors into the source do not fit it.
///
/// ```
/// use futures_util::TryStreamExt;
/// use gesta_core::{
///     AppendBatch, CopyTarget, EventStore, ExpectedVersion, Filter, MemoryStore, NewEvent, ReadAll,
/// };
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let (source, target) = (MemoryStore::new(), MemoryStore::new());
/// let placed = NewEvent::new("order.placed", "{}");
/// source.append(AppendBatch::to("order-7".parse()?, ExpectedVersion::NoStream, [placed])).await?;
///
/// let everything = ReadAll::of(Filter::everything());
/// let recorded: Vec<_> = source.read_all(everything.clone()).try_collect().await?;
/// target.append_recorded(recorded.clone()).await?;
/// let copied: Vec<_> = target.read_all(everything).try_collect().await?;
/// assert_eq!(copied, recorded);
/// # Ok(()) }
/// ```
#[async_trait]
pub trait CopyTarget: Send + Sync {
    /// Appends these events, all or none, and answers with the new head once they are durable.
    ///
    /// The first stands right behind the head, each other right behind the one before; each has the version after
    /// its stream's, an id its tenant has not used, and no earlier time than the one before: else nothing is stored
    /// and [`CopyError`] says what does not fit. At most [`limits::COPY_EVENTS`] events and
    /// [`limits::BATCH_BYTES`] of data and metadata at a time.
    ///
    /// Nobody else may append meanwhile. The store notices when somebody does, and refuses.
    async fn append_recorded(&self, events: Vec<RecordedEvent>) -> Result<Position, CopyError>;
}

/// Why recorded events were not taken. Nothing of them is stored, unless [`AppendError::Unknown`] says that nobody
/// knows: then read the head.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CopyError {
    /// The event stands somewhere else than behind the last one.
    #[error(
        "the target ends at position {head}, so an event of position {given} does not come next: read its head, compare, and go on from there"
    )]
    Position {
        /// Where the next event would have to stand behind.
        head: Position,
        /// Where it stands.
        given: Position,
    },
    /// The event is not the next one of its stream.
    #[error(
        "the event at position {position} is version {given} of {tenant}/{stream}, which is at version {actual} in the target: copy into an empty one"
    )]
    Version {
        /// Where the event stands.
        position: Position,
        /// Whose it is.
        tenant: Tenant,
        /// Its stream.
        stream: StreamId,
        /// Its version.
        given: Version,
        /// The version of the stream in the target.
        actual: Version,
    },
    /// The id is in the target already.
    #[error(
        "the event at position {position} has the id {id}, which the target knows already: copy into an empty one"
    )]
    IdTaken {
        /// Where the event stands.
        position: Position,
        /// Its id.
        id: Uuid,
    },
    /// The event is older than the one before it, which no store records.
    #[error(
        "the event at position {position} was recorded at {given}, before the one in front of it at {before}: verify the source"
    )]
    Time {
        /// Where the event stands.
        position: Position,
        /// Its time.
        given: Timestamp,
        /// The time of the one before it.
        before: Timestamp,
    },
    /// The event is beyond what any store takes.
    #[error("the event at position {position} cannot be stored: {source}")]
    Invalid {
        /// Where the event stands.
        position: Position,
        /// What is wrong with it.
        source: Invalid,
    },
    /// The event's metadata is none.
    #[error("the event at position {position} cannot be stored: {source}")]
    Metadata {
        /// Where the event stands.
        position: Position,
        /// What is wrong with it.
        source: InvalidMetadata,
    },
    /// More at a time than a target takes.
    #[error(
        "{events} events of {bytes} bytes are too much at a time: hand over at most {} events and {} bytes",
        limits::COPY_EVENTS,
        limits::BATCH_BYTES
    )]
    TooMuch {
        /// How many events.
        events: usize,
        /// How many bytes of data and metadata.
        bytes: usize,
    },
    /// The store takes nothing now, or the outcome is unknown.
    #[error(transparent)]
    Refused(#[from] AppendError),
}

/// Refuses what no target may take, whatever it holds: too much, gaps, illegal fields. Every target calls it first.
pub fn validate_recorded(events: &[RecordedEvent], head: Position) -> Result<(), CopyError> {
    let bytes = events.iter().map(|event| event.data.len() + event.metadata.len()).sum();
    // One event alone is always let in, however large.
    if events.len() > limits::COPY_EVENTS || events.len() > 1 && bytes > limits::BATCH_BYTES {
        return Err(CopyError::TooMuch { events: events.len(), bytes });
    }
    let mut before: Option<&RecordedEvent> = None;
    for event in events {
        let (position, behind) = (event.position, before.map_or(head, |before| before.position));
        if position.get().checked_sub(1) != Some(behind.get()) {
            return Err(CopyError::Position { head: behind, given: position });
        }
        if let Some(before) = before {
            not_before(before.recorded_at, event)?;
        }
        let fields = validate_fields(
            event.id,
            &event.event_type,
            &event.content_type,
            event.schema_version,
            &event.data,
        );
        fields.map_err(|source| CopyError::Invalid { position, source })?;
        if event.metadata.len() > limits::METADATA_BYTES {
            let source = Invalid::MetadataTooLarge { id: event.id, bytes: event.metadata.len() };
            return Err(CopyError::Invalid { position, source });
        }
        Metadata::from_json(&event.metadata).map_err(|source| CopyError::Metadata { position, source })?;
        before = Some(event);
    }
    Ok(())
}

/// Refuses events that are no continuation of what is stored, whose last event was recorded at `last`: a version
/// that is not the next one of its stream, an id that is known, an earlier time. Pure, as [`decide`](crate::decide)
/// is; positions are for [`validate_recorded`].
pub fn continues(
    events: &[RecordedEvent],
    last: Timestamp,
    stored: &mut dyn StoredView,
) -> Result<(), CopyError> {
    let mut versions: HashMap<(&Tenant, &StreamId), Version> = HashMap::new();
    let mut ids: HashSet<(&Tenant, Uuid)> = HashSet::with_capacity(events.len());
    if let Some(first) = events.first() {
        not_before(last, first)?;
    }
    for event in events {
        let RecordedEvent { position, tenant, stream, id, .. } = event;
        let actual = match versions.get(&(tenant, stream)) {
            Some(version) => *version,
            None => stored.version(tenant, stream)?,
        };
        if event.version != actual.next() {
            return Err(CopyError::Version {
                position: *position,
                tenant: tenant.clone(),
                stream: stream.clone(),
                given: event.version,
                actual,
            });
        }
        versions.insert((tenant, stream), event.version);
        if !ids.insert((tenant, *id)) || stored.event(tenant, *id)?.is_some() {
            return Err(CopyError::IdTaken { position: *position, id: *id });
        }
    }
    Ok(())
}

fn not_before(before: Timestamp, event: &RecordedEvent) -> Result<(), CopyError> {
    if before <= event.recorded_at {
        return Ok(());
    }
    Err(CopyError::Time { position: event.position, given: event.recorded_at, before })
}
