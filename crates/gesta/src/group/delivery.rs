//! What a consumer gets, and what it says to it.

use std::{fmt, time::Duration};

use gesta_core::{Epoch, Position, RecordedEvent};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Asks for deliveries.
#[derive(Debug, Clone)]
pub struct Pull {
    /// Who asks; a name for people, consumers of one name share nothing but it.
    pub consumer: String,
    /// At most so many; 1 to 1,000, moved to the nearest bound.
    pub max: usize,
    /// How long to wait for the first; at most 60 s.
    pub wait: Duration,
}

/// An event in the hands of a consumer, until it is acknowledged or its lease is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// What to acknowledge.
    pub id: DeliveryId,
    /// How often this event was delivered by the group, this time included.
    pub delivery_count: u32,
    /// The event.
    pub event: RecordedEvent,
}

/// Names one delivery: of one event, in one attempt, by one owner of the group. Opaque text.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DeliveryId(String);

/// Refuses deliveries.
#[derive(Debug, Clone, Default)]
pub struct Nack {
    /// Which.
    pub deliveries: Vec<DeliveryId>,
    /// Why, for whoever looks at the parked event; cut at 1,000 characters.
    pub reason: Option<String>,
    /// Park at once, whatever attempts are left.
    pub park: bool,
}

/// Which parked events a decision is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selection {
    /// All that are parked.
    All,
    /// The parked ones among these; others are passed over.
    Events(Vec<Uuid>),
}

impl DeliveryId {
    pub(crate) fn new(epoch: Epoch, position: Position, delivery_count: u32) -> Self {
        Self(format!("{}.{position}.{delivery_count}", epoch.0))
    }

    /// The position and count of a delivery of this epoch; of another it is lost, like an id that was never given out.
    pub(crate) fn of_epoch(&self, epoch: Epoch) -> Option<(Position, u32)> {
        let mut parts = self.0.splitn(3, '.');
        let given: u64 = parts.next()?.parse().ok()?;
        let position = parts.next()?.parse().ok()?;
        let count = parts.next()?.parse().ok()?;
        let accepted = given == epoch.0 || crate::planted::armed("stale_epoch_accepted");
        accepted.then_some((Position::new(position), count))
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<String> for DeliveryId {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl From<&str> for DeliveryId {
    fn from(text: &str) -> Self {
        Self(text.into())
    }
}

impl fmt::Display for DeliveryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Selection {
    /// Whether a parked event is meant.
    pub(crate) fn holds(&self, event: Uuid) -> bool {
        match self {
            Self::All => true,
            Self::Events(ids) => ids.contains(&event),
        }
    }
}
