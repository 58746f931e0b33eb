//! What of a ledger survives its actor: the opaque state of a group's checkpoint.

use gesta_core::{Checkpoint, Position, StreamId, Timestamp, Version};
use serde::{Deserialize, Serialize};

use super::{
    Ledger,
    lane::{Course, Lane},
};
use crate::{
    group::{
        GroupDefinition, GroupStatistics,
        record::{Decision, Known, LiveGroup},
    },
    planted,
};

/// How often an event was delivered and failed, and since when it fails.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Counts {
    #[serde(rename = "d")]
    pub(crate) delivered: u32,
    #[serde(rename = "f", default, skip_serializing_if = "is_zero")]
    pub(crate) failed: u32,
    #[serde(rename = "t", default, skip_serializing_if = "Option::is_none")]
    pub(crate) first_failed_at: Option<Timestamp>,
}

fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// The state beside the checkpoint's position. Bounded by what may be in flight and by the lanes behind the cursor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Saved {
    #[serde(flatten)]
    pub(crate) known: Known,
    /// Everything up to here is settled or in `open`.
    pub(crate) cursor: Position,
    /// Not settled.
    pub(crate) open: Vec<(Position, Counts)>,
    /// Streams that are read from the log behind the cursor.
    pub(crate) lanes: Vec<SavedLane>,
    /// What happened so far.
    pub(crate) statistics: GroupStatistics,
}

/// A stream that is read from the log behind the cursor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SavedLane {
    pub(super) stream: StreamId,
    /// Everything up to here is settled.
    after: Version,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    done: Vec<Version>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    counts: Vec<(Version, Counts)>,
}

impl Saved {
    /// The state of a checkpoint; `None` if it holds none of ours.
    pub(crate) fn read(checkpoint: &Checkpoint) -> Option<Self> {
        serde_json::from_slice(&checkpoint.state).ok()
    }
}

impl Ledger {
    /// A ledger as it was saved, brought up to the decisions that were recorded since.
    pub(crate) fn restore(
        definition: GroupDefinition,
        group: &LiveGroup,
        saved: Option<(Position, Saved)>,
        now: Timestamp,
    ) -> Self {
        let mut ledger = Self::empty(definition, group.start, now);
        ledger.statistics.since = group.created_at;
        if let Some((position, saved)) = saved {
            ledger.cursor = position;
            ledger.resume_to = saved.cursor.max(position);
            ledger.passed = ledger.resume_to;
            ledger.resume = saved.open.into_iter().collect();
            ledger.statistics = saved.statistics;
            saved.lanes.into_iter().for_each(|lane| ledger.restore_lane(lane));
        }
        for decision in &group.later {
            ledger.redecide(decision);
        }
        for (stream, parked) in &group.parked {
            let course = Course::Parked(parked.clone());
            ledger.lanes.insert(stream.clone(), Lane { course, ..Lane::default() });
        }
        let streams: Vec<_> = ledger.lanes.keys().cloned().collect();
        streams.iter().for_each(|stream| ledger.refresh(stream));
        ledger
    }

    fn restore_lane(&mut self, saved: SavedLane) {
        let lane = Lane {
            course: Course::Behind { loaded: saved.after },
            done: saved.done.into_iter().collect(),
            counts: saved.counts.into_iter().collect(),
            ..Lane::default()
        };
        self.lanes.insert(saved.stream, lane);
    }

    fn redecide(&mut self, decision: &Decision) {
        self.dirty = true;
        match decision {
            Decision::Parked(parked) => {
                self.lanes.remove(&parked.stream);
                self.statistics.parked += 1;
            }
            Decision::Replayed(parked) => {
                self.lanes.insert(parked.stream.clone(), Lane::behind(parked, true));
            }
            Decision::Discarded(parked) => {
                self.lanes.insert(parked.stream.clone(), Lane::behind(parked, false));
            }
        }
    }

    /// The checkpoint: the highest contiguous handled position, and what is handled beyond it.
    pub(crate) fn checkpoint(&self, known: Known) -> Checkpoint {
        let touched = self.touched.last_key_value().map_or(self.passed, |(last, _)| self.passed.max(*last));
        let mut open: Vec<_> = self.resume.iter().map(|(position, counts)| (*position, *counts)).collect();
        let counts = |position| self.touched.get(&position).copied().unwrap_or_default();
        open.extend(self.open.range(..=touched).map(|position| (*position, counts(*position))));
        open.sort_unstable_by_key(|(position, _)| *position);
        // What nobody has touched yet is simply read again.
        let untouched = self.open.range(touched.next()..).next().map(|first| Position::new(first.get() - 1));
        let cursor = untouched.unwrap_or(self.cursor.max(self.resume_to));
        let mut position = open.first().map_or(cursor, |(first, _)| Position::new(first.get() - 1));
        if planted::armed("checkpoint_plus_one") && !open.is_empty() {
            position = open.remove(0).0;
        }
        let lanes = self.lanes.iter().filter_map(|(stream, lane)| saved_lane(stream, lane)).collect();
        let saved = Saved { known, cursor, open, lanes, statistics: self.statistics };
        let state = serde_json::to_vec(&saved).expect("positions, counts and names are JSON");
        Checkpoint { position, state: state.into() }
    }
}

fn saved_lane(stream: &StreamId, lane: &Lane) -> Option<SavedLane> {
    let Course::Behind { loaded } = lane.course else { return None };
    let after = lane.queue.front().map_or(loaded, |front| Version::new(front.event.version.get() - 1));
    let loaded = lane.queue.iter().map(|item| (item.event.version, item.counts));
    let mut counts: Vec<_> = loaded.filter(|(_, counts)| *counts != Counts::default()).collect();
    counts.extend(lane.counts.iter().map(|(version, counts)| (*version, *counts)));
    Some(SavedLane { stream: stream.clone(), after, done: lane.done.iter().copied().collect(), counts })
}
