//! The decisions about a group, as events of its own stream `$group-<name>`.

use std::collections::BTreeMap;

use futures_util::TryStreamExt;
use gesta_core::{
    Epoch, EventStore, NewEvent, Position, ReadStream, RecordedEvent, StreamId, Tenant, Timestamp, Version,
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
    /// The owner that parked it; `None` where an earlier release did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) epoch: Option<Epoch>,
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

/// What a checkpoint knows of a group's stream: nothing by default.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Known {
    /// Which life of the group it belongs to: the version of its creation.
    pub(crate) generation: Version,
    /// Up to which version the decisions are in its state.
    pub(crate) folded: Version,
    /// The owner that saved it; nobody where an earlier release did.
    #[serde(default)]
    pub(crate) epoch: Epoch,
}

impl Known {
    /// Whether an owner that was replaced recorded this only after its successor had saved: that one may have delivered the
    /// event and what waits behind it since, and wrote nothing to the group's stream that would have refused the record.
    fn overrules(self, at: Version, parked: &ParkedEvent) -> bool {
        at > self.folded && parked.epoch.is_some_and(|epoch| epoch < self.epoch)
    }
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
    /// The decisions that the checkpoint does not know.
    pub(crate) later: Vec<Decision>,
    /// What an owner that was replaced has parked late, and nobody has lifted yet: it counts for nothing.
    pub(crate) late: BTreeMap<StreamId, ParkedEvent>,
}

impl GroupRecord {
    /// Folds a group's stream, of which its checkpoint knows so much.
    pub(crate) async fn read(
        store: &dyn EventStore,
        tenant: &Tenant,
        stream: &StreamId,
        known: Known,
    ) -> Result<Self, GroupError> {
        let mut record = Self::default();
        let mut events = store.read_stream(ReadStream::of(tenant.clone(), stream.clone()));
        while let Some(event) = events.try_next().await? {
            record.fold(&event, known)?;
        }
        Ok(record)
    }

    /// Adds one event of the stream.
    fn fold(&mut self, event: &RecordedEvent, known: Known) -> Result<(), GroupError> {
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
                late: BTreeMap::new(),
            });
            return Ok(());
        }
        let Some(live) = &mut self.live else { return Ok(()) };
        let decision = match &*event.event_type {
            PARKED => {
                let parked: ParkedEvent = data(event)?;
                let late = known.overrules(event.version, &parked);
                let lanes = if late { &mut live.late } else { &mut live.parked };
                lanes.insert(parked.stream.clone(), parked.clone());
                (!late).then_some(Decision::Parked(parked))
            }
            REPLAYED => live.decided(&data(event)?).map(Decision::Replayed),
            DISCARDED => live.decided(&data(event)?).map(Decision::Discarded),
            REMOVED => {
                self.live = None;
                return Ok(());
            }
            other => {
                let reason = format!("{} holds {other}, which this release does not know", event.stream);
                return Err(GroupError::Store(reason));
            }
        };
        live.later.extend(decision.filter(|_| event.version > known.folded));
        Ok(())
    }
}

impl LiveGroup {
    /// Takes what was parked out of its lane, if it counts.
    fn decided(&mut self, decided: &Decided) -> Option<ParkedEvent> {
        match self.late.remove(&decided.stream) {
            Some(_) => None,
            None => self.parked.remove(&decided.stream),
        }
    }
}

impl ParkedEvent {
    /// A decision about it.
    pub(crate) fn decided(&self, reason: Option<String>) -> Decided {
        let Self { stream, version, position, event_id, .. } = self.clone();
        Decided { stream, version, position, event_id, reason }
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

#[cfg(test)]
mod tests {
    use super::*;

    const PARKED_BY_0_1: &str = r#"{
        "stream": "a-1", "version": 1, "position": 1, "event_id": "67e55044-10b1-426f-9247-bb680e5fe0c8",
        "event_type": "x", "reason": "never", "attempts": 4, "deliveries": 4,
        "first_failed_at": "2026-01-31T08:30:00Z", "last_failed_at": "2026-01-31T08:30:00Z"
    }"#;

    #[test]
    fn only_a_later_owner_overrules_and_nobody_what_an_earlier_release_left() {
        let known: Known =
            serde_json::from_str(r#"{"generation":1,"folded":3}"#).expect("of an earlier release");
        let bare: ParkedEvent = serde_json::from_str(PARKED_BY_0_1).expect("of an earlier release");
        let by = |epoch| ParkedEvent { epoch: Some(Epoch(epoch)), ..bare.clone() };
        let next = Version::new(4);
        assert!(!known.overrules(next, &bare) && !known.overrules(next, &by(1)));
        let known = Known { epoch: Epoch(7), ..known };
        assert!(!known.overrules(next, &bare) && !known.overrules(next, &by(7)));
        assert!(known.overrules(next, &by(6)));
        assert!(!known.overrules(Version::new(3), &by(6)), "it was known when the checkpoint was saved");
    }
}
