//! What a group knows: which events wait, which are out, which are settled. Pure: it is told events, answers and the
//! time, and says what to deliver; it reads nothing, saves nothing and waits for nothing.
//!
//! Each stream is a lane, delivered in order, a range from its front to one consumer at a time. A lane is fed from the
//! main cursor, or *behind* it from the log when too much of it waits or a parked event was decided about, or it is
//! *parked* and fed not at all. The main cursor passes lanes that are behind or parked, so none of them holds up the
//! others, and nothing that waits needs memory: it is in the log.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use gesta_core::{Position, RecordedEvent, StreamId, Timestamp, Version};

use super::{GroupDefinition, GroupStatistics, record::ParkedEvent};
use crate::{Batch, planted};

mod answer;
mod behind;
mod lane;
#[cfg(test)]
mod laws;
mod recent;
mod saved;

pub(crate) use answer::Acked;
pub(crate) use behind::Stretch;
use lane::{Course, Item, Lane, Range};
use recent::Recent;
pub(crate) use saved::{Counts, Saved};

/// Loaded events hold at most so many bytes of data and metadata, one batch beyond it aside.
const LOADED_BYTES: usize = 64 * 1024 * 1024;

/// What a group knows.
pub(crate) struct Ledger {
    definition: GroupDefinition,
    now: Timestamp,
    /// How far the log was read.
    cursor: Position,
    /// Up to here events were read by an earlier actor: settled, unless they are in `resume`.
    resume_to: Position,
    resume: BTreeMap<Position, Counts>,
    /// The highest position that is settled, or passed because its lane is not live.
    passed: Position,
    /// Loaded events of live lanes.
    open: BTreeSet<Position>,
    /// Those of them that were delivered before.
    touched: BTreeMap<Position, Counts>,
    lanes: HashMap<StreamId, Lane>,
    /// Lanes that may be delivered: most urgent first, then oldest.
    ready: BTreeMap<(u8, Position), StreamId>,
    timers: BTreeSet<(Timestamp, StreamId)>,
    /// Lanes behind the cursor with nothing loaded.
    hungry: BTreeSet<StreamId>,
    /// Where each delivery that is out belongs.
    out: HashMap<Position, StreamId>,
    /// How many events of lanes behind the cursor are loaded.
    behind: usize,
    bytes: usize,
    recent: Recent,
    parkings: Vec<ParkedEvent>,
    statistics: GroupStatistics,
    dirty: bool,
}

/// An event that was just handed out, and how often it has been by now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Taken {
    pub(crate) count: u32,
    pub(crate) event: RecordedEvent,
}

impl Ledger {
    fn empty(definition: GroupDefinition, start: Position, now: Timestamp) -> Self {
        Self {
            definition,
            now,
            cursor: start,
            resume_to: start,
            resume: BTreeMap::new(),
            passed: start,
            open: BTreeSet::new(),
            touched: BTreeMap::new(),
            lanes: HashMap::new(),
            ready: BTreeMap::new(),
            timers: BTreeSet::new(),
            hungry: BTreeSet::new(),
            out: HashMap::new(),
            behind: 0,
            bytes: 0,
            recent: Recent::default(),
            parkings: Vec::new(),
            statistics: GroupStatistics::default(),
            dirty: false,
        }
    }

    /// Moves the time on: delays end and leases run out.
    pub(crate) fn advance(&mut self, now: Timestamp) {
        self.now = self.now.max(now);
        while self.timers.first().is_some_and(|(at, _)| *at <= self.now) {
            let (_, stream) = self.timers.pop_first().expect("there is a first one");
            if let Some(lane) = self.lanes.get_mut(&stream) {
                lane.timer = None;
                if lane.range.as_ref().is_some_and(|range| range.until <= self.now) {
                    self.expire(&stream);
                }
                self.refresh(&stream);
            }
        }
    }

    /// Takes the next events of the log.
    pub(crate) fn feed(&mut self, batch: Batch) {
        for event in batch.events {
            self.feed_one(event);
        }
        self.cursor = self.cursor.max(batch.position);
        self.resume = self.resume.split_off(&self.cursor.next());
    }

    fn feed_one(&mut self, event: RecordedEvent) {
        let (stream, position, version) = (event.stream.clone(), event.position, event.version);
        let counts = self.resume.remove(&position);
        if position <= self.resume_to && counts.is_none() {
            return self.remember_settled(&stream, version);
        }
        let lane = self.lanes.entry(stream.clone()).or_default();
        if !lane.is_live() {
            self.passed = self.passed.max(position);
            return;
        }
        let item = Item::new(event, counts.unwrap_or_default());
        self.bytes += item.bytes();
        self.open.insert(position);
        if let Some(counts) = counts.filter(|counts| *counts != Counts::default()) {
            self.touched.insert(position, counts);
        }
        lane.push(item);
        let crowded = lane.queue.len() > (self.definition.max_in_flight / 4).max(1);
        // What is read again cannot be read a third time: the log does not know which of it is settled.
        if crowded && position > self.resume_to {
            self.fall_behind(&stream, version);
        }
        self.refresh(&stream);
    }

    /// An earlier actor settled this event; if its lane waits for an earlier one, that must not bring it back.
    fn remember_settled(&mut self, stream: &StreamId, version: Version) {
        if let Some(lane) = self.lanes.get_mut(stream).filter(|lane| lane.is_live()) {
            lane.done.insert(version);
        }
    }

    /// Whether events that an earlier actor had read are still to be read again; nothing is handed out until then.
    pub(crate) fn is_resuming(&self) -> bool {
        self.cursor < self.resume_to
    }

    /// How many events of the log there is room for.
    pub(crate) fn room(&self) -> usize {
        if self.is_resuming() {
            return self.definition.max_in_flight;
        }
        if self.bytes >= LOADED_BYTES {
            return 0;
        }
        self.definition.max_in_flight.saturating_sub(self.open.len())
    }

    /// Whether nothing can be delivered now.
    pub(crate) fn is_starved(&self) -> bool {
        self.ready.is_empty() || self.is_resuming()
    }

    /// Hands out up to `most` events: of the most urgent streams first, of equally urgent ones the oldest first.
    pub(crate) fn take(&mut self, consumer: &Arc<str>, most: usize) -> Vec<Taken> {
        let mut taken = Vec::new();
        while !self.is_resuming() {
            let allowed = self.definition.max_in_flight.saturating_sub(self.out.len());
            let most = allowed.min(most - taken.len());
            if most == 0 {
                break;
            }
            let Some((_, stream)) = self.ready.pop_first() else { break };
            taken.extend(self.take_from(&stream, consumer, most));
        }
        self.dirty |= !taken.is_empty();
        self.statistics.delivered += taken.len() as u64;
        taken
    }

    fn take_from(&mut self, stream: &StreamId, consumer: &Arc<str>, most: usize) -> Vec<Taken> {
        let lane = self.lanes.get_mut(stream).expect("a lane that is ready exists");
        lane.ready = None;
        let until = self.now.plus(self.definition.lease);
        let taken = lane.hand_out(most, self.now, Range { consumer: consumer.clone(), until, out: 0 });
        let live = lane.is_live();
        for item in lane.queue.iter().take(taken.len()) {
            self.out.insert(item.event.position, stream.clone());
            if live {
                self.touched.insert(item.event.position, item.counts);
            }
        }
        self.refresh(stream);
        taken
    }

    /// Puts a lane where it belongs after any change: ready, timed, hungry, parked or gone.
    fn refresh(&mut self, stream: &StreamId) {
        let Some(lane) = self.lanes.get_mut(stream) else { return };
        if let Some(key) = lane.ready.take() {
            self.ready.remove(&key);
        }
        if let Some(at) = lane.timer.take() {
            self.timers.remove(&(at, stream.clone()));
        }
        self.hungry.remove(stream);
        let timer = match (&lane.range, lane.queue.front()) {
            (Some(range), _) => range.until,
            (None, Some(front)) if front.is_spent(self.definition.attempts()) => return self.park(stream),
            (None, Some(front)) if front.not_before <= self.now => {
                let key = (lane.rank(), front.event.position);
                lane.ready = Some(key);
                self.ready.insert(key, stream.clone());
                return;
            }
            (None, Some(front)) if lane.is_live() || lane.has_doomed() => front.not_before,
            (None, Some(front)) => {
                lane.rest_until = Some(front.not_before);
                return self.unload(stream);
            }
            (None, None) => match lane.rest_until.filter(|until| *until > self.now) {
                Some(until) => until,
                None => return self.rest(stream),
            },
        };
        lane.timer = Some(timer);
        self.timers.insert((timer, stream.clone()));
    }

    /// A lane behind the cursor that waits for its next attempt holds no room: its events are read again by then.
    fn unload(&mut self, stream: &StreamId) {
        let Some(lane) = self.lanes.get_mut(stream) else { return };
        let items = lane.unload();
        self.drop_items(false, items);
        self.refresh(stream);
    }

    /// Nothing of the lane is loaded.
    fn rest(&mut self, stream: &StreamId) {
        match self.lanes.get(stream).map(|lane| &lane.course) {
            Some(Course::Live) => drop(self.lanes.remove(stream)),
            Some(Course::Behind { .. }) => drop(self.hungry.insert(stream.clone())),
            Some(Course::Parked(_)) | None => {}
        }
    }

    /// Parks the front of a lane and forgets what waits behind it: the log has it.
    fn park(&mut self, stream: &StreamId) {
        let Some(lane) = self.lanes.get_mut(stream) else { return };
        let item = lane.remove(0);
        let parked = ParkedEvent {
            stream: stream.clone(),
            version: item.event.version,
            position: item.event.position,
            event_id: item.event.id,
            event_type: item.event.event_type.to_string(),
            reason: item.reason.clone().unwrap_or_else(|| "every attempt failed".into()),
            attempts: item.counts.failed,
            deliveries: item.counts.delivered,
            first_failed_at: item.counts.first_failed_at.unwrap_or(self.now),
            last_failed_at: self.now,
            handled: lane.done.iter().copied().collect(),
            behind: lane.delivered(),
            epoch: None,
        };
        let live = lane.is_live();
        let mut dropped = vec![item];
        if planted::armed("dead_letter_overtaken") {
            self.drop_items(live, dropped);
            self.parkings.push(parked);
            return self.refresh(stream);
        }
        while !lane.queue.is_empty() {
            dropped.push(lane.remove(0));
        }
        *lane = Lane { course: Course::Parked(parked.clone()), ..Lane::default() };
        self.drop_items(live, dropped);
        self.parkings.push(parked);
        self.statistics.parked += 1;
        self.dirty = true;
    }

    /// Accounts for events that are loaded no longer.
    fn drop_items(&mut self, live: bool, items: impl IntoIterator<Item = Item>) {
        for item in items {
            let position = item.event.position;
            self.bytes -= item.bytes();
            self.out.remove(&position);
            if live {
                self.leave_open(position);
            } else {
                self.behind -= 1;
            }
        }
    }

    /// The main path is done with an event: it is settled, or its lane has it now.
    fn leave_open(&mut self, position: Position) {
        self.open.remove(&position);
        self.touched.remove(&position);
        self.passed = self.passed.max(position);
    }

    /// The events parked since the last call; record them before the state is saved.
    pub(crate) fn take_parkings(&mut self) -> Vec<ParkedEvent> {
        std::mem::take(&mut self.parkings)
    }

    /// Whether something has changed that must be saved before anybody is told; asking resets it.
    pub(crate) fn take_dirty(&mut self) -> bool {
        std::mem::take(&mut self.dirty)
    }
}
