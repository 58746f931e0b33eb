//! What a group looks like from outside.

use gesta_core::{Epoch, Position, RecordedEvent, Timestamp};
use serde::{Deserialize, Serialize};

use super::GroupDefinition;

/// A group and how far it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupInfo {
    /// Its name, unique within its tenant.
    pub name: String,
    /// What it is.
    pub definition: GroupDefinition,
    /// Who asked for deliveries within the last minute or the last lease, by name.
    pub consumers: Vec<GroupConsumer>,
    /// Its checkpoint: everything up to here is handled, parked or held behind a parked event.
    pub position: Position,
    /// The head of the log.
    pub head: Position,
    /// How many positions of the log lie between the two. Events that do not pass the filter count while the group has
    /// not read past them.
    pub lag: u64,
    /// How many deliveries are out.
    pub in_flight: usize,
    /// How many events are parked, those held behind them not counted.
    pub parked: usize,
    /// Which owner runs it; 0 while nobody does.
    pub epoch: Epoch,
    /// What happened so far.
    pub statistics: GroupStatistics,
}

/// Somebody who consumes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupConsumer {
    /// The name it gave.
    pub name: String,
    /// How many deliveries it holds.
    pub in_flight: usize,
    /// When it last asked for deliveries.
    pub last_seen: Timestamp,
}

/// What happened in a group since a time. The counts are saved with the checkpoint and survive a restart.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct GroupStatistics {
    /// Deliveries handed out, repeated ones included.
    pub delivered: u64,
    /// Deliveries acknowledged.
    pub acked: u64,
    /// Deliveries refused.
    pub nacked: u64,
    /// Events parked.
    pub parked: u64,
    /// Deliveries whose lease ran out, counted once for each range that one consumer held of one stream.
    pub expired: u64,
    /// Since when.
    pub since: Timestamp,
}

/// A parked event: it failed too often or was refused for good, and the later events of its stream wait behind it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[doc(alias = "dead letter")]
pub struct Parked {
    /// The event.
    pub event: RecordedEvent,
    /// Why it was parked: the last failure.
    pub reason: String,
    /// How many attempts failed.
    pub attempts: u32,
    /// When the first of them failed.
    pub first_failed_at: Timestamp,
    /// When the last of them failed.
    pub last_failed_at: Timestamp,
    /// How many later events of its stream wait behind it, counted up to 1,000.
    pub held: u64,
}
