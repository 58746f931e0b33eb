//! The decisions about a group, as events of its own stream `$group-<name>`.

use std::collections::BTreeMap;

use futures_util::TryStreamExt;
use gesta_core::{
    EventStore, NewEvent, Position, ReadStream, RecordedEvent, StreamId, Tenant, Timestamp, Version,
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use uuid::Uuid;

use super::{GroupDefinition, GroupError};

pub(crate) const CATEGORY: &str = "$group";
pub(crate) const CREATED: &str = "gesta.group.created";
pub(crate) const PARKED: &str = "gesta.group.parked";
pub(crate) const REPLAYED: &str = "gesta.group.replayed";
pub(crate) const DISCARDED: &str = "gesta.group.discarded";
pub(crate) const REMOVED: &str = "gesta.group.removed";

/// The data of `gesta.group.created`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Created {
    pub(crate) definition: GroupDefinition,
    /// Where the group begins, decided at its creation.
    pub(crate) start_position: Position,
}

/// The data of `gesta.group.parked`: later events of the stream are held from here on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ParkedEvent {
    pub(crate) stream: StreamId,
    pub(crate) version: Version,
    pub(crate) position: Position,
    pub(crate) event_id: Uuid,
    pub(crate) event_type: String,
    pub(crate) reason: String,
    pub(crate) attempts: u32,
    pub(crate) deliveries: u32,
    pub(crate) first_failed_at: Timestamp,
    pub(crate) last_failed_at: Timestamp,
    /// Later versions that were acknowledged before.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) handled: Vec<Version>,
    /// How often later versions were delivered before.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) behind: Vec<(Version, u32)>,
}

/// The data of `gesta.group.replayed` and `gesta.group.discarded`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Decided {
    pub(crate) stream: StreamId,
    pub(crate) version: Version,
    pub(crate) position: Position,
    pub(crate) event_id: Uuid,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<String>,
}

/// A decision about one lane.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Decision {
    Parked(ParkedEvent),
    Replayed(ParkedEvent),
    Discarded(ParkedEvent),
}

/// What a group's stream says.
#[derive(Debug, Default)]
pub(crate) struct GroupRecord {
    /// The stream's version.
    pub(crate) version: Version,
    /// The group, if there is one now.
    pub(crate) live: Option<LiveGroup>,
}

/// A group that exists.
#[derive(Debug, Clone)]
pub(crate) struct LiveGroup {
    /// The version of its creation: tells it from a removed group of the same name.
    pub(crate) generation: Version,
    pub(crate) created_at: Timestamp,
    pub(crate) definition: GroupDefinition,
    pub(crate) start: Position,
    /// What is parked now.
    pub(crate) parked: BTreeMap<StreamId, ParkedEvent>,
    /// The decisions behind the version the fold was asked to begin at.
    pub(crate) later: Vec<Decision>,
}

impl GroupRecord {
    /// Folds a group's stream; `later` holds the decisions behind version `since`.
    pub(crate) async fn read(
        store: &dyn EventStore,
        tenant: &Tenant,
        stream: &StreamId,
        since: Version,
    ) -> Result<Self, GroupError> {
        let mut record = Self::default();
        let mut events = store.read_stream(ReadStream::of(tenant.clone(), stream.clone()));
        while let Some(event) = events.try_next().await? {
            record.fold(&event, since)?;
        }
        Ok(record)
    }

    /// Adds one event of the stream.
    pub(crate) fn fold(&mut self, event: &RecordedEvent, since: Version) -> Result<(), GroupError> {
        self.version = event.version;
        if &*event.event_type == CREATED {
            let Created { definition, start_position } = data(event)?;
            self.live = Some(LiveGroup {
                generation: event.version,
                created_at: event.recorded_at,
                definition,
                start: start_position,
                parked: BTreeMap::new(),
                later: Vec::new(),
            });
            return Ok(());
        }
        let Some(live) = &mut self.live else { return Ok(()) };
        let decision = match &*event.event_type {
            PARKED => {
                let parked: ParkedEvent = data(event)?;
                live.parked.insert(parked.stream.clone(), parked.clone());
                Some(Decision::Parked(parked))
            }
            REPLAYED => live.parked.remove(&data::<Decided>(event)?.stream).map(Decision::Replayed),
            DISCARDED => live.parked.remove(&data::<Decided>(event)?.stream).map(Decision::Discarded),
            REMOVED => {
                self.live = None;
                return Ok(());
            }
            other => {
                let reason = format!("{} holds {other}, which this release does not know", event.stream);
                return Err(GroupError::Store(reason));
            }
        };
        live.later.extend(decision.filter(|_| event.version > since));
        Ok(())
    }
}

fn data<T: DeserializeOwned>(event: &RecordedEvent) -> Result<T, GroupError> {
    serde_json::from_slice(&event.data).map_err(|error| {
        GroupError::Store(format!("version {} of {} cannot be read: {error}", event.version, event.stream))
    })
}

/// An event for a group's stream at `version`. Its id follows from that place, so that a repeated append is known.
pub(crate) fn event(
    tenant: &Tenant,
    stream: &StreamId,
    version: Version,
    event_type: &str,
    data: &impl Serialize,
) -> NewEvent {
    let name = format!("{tenant}/{stream}/{version}/{event_type}");
    let id = Uuid::new_v5(&NAMESPACE, name.as_bytes());
    NewEvent::json(event_type, data).expect("decisions are JSON").with_id(id)
}

/// The namespace of the ids of decisions about groups; fixed for ever.
const NAMESPACE: Uuid = Uuid::from_u128(0x6765_7374_612e_5072_8f75_7000_0000_0001);
