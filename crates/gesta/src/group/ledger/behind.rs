//! Lanes that are read from the log behind the main cursor, and lanes that are parked.

use gesta_core::{RecordedEvent, StreamId, Version};

use super::{
    Ledger,
    lane::{Course, Item, Lane},
};
use crate::group::record::ParkedEvent;

/// A stretch of a stream, read for a lane.
pub(crate) struct Stretch {
    /// Its events that pass the filter, none beyond the main cursor.
    pub(crate) events: Vec<RecordedEvent>,
    /// The last version that was looked at.
    pub(crate) loaded: Version,
    /// Whether there is nothing more up to the main cursor.
    pub(crate) end: bool,
}

impl Ledger {
    /// Streams to read on, each behind this version, if there is room for more.
    pub(crate) fn hungry(&self, most: usize) -> Vec<(StreamId, Version)> {
        let room = !self.is_resuming()
            && self.behind < self.definition.max_in_flight
            && self.bytes < super::LOADED_BYTES;
        let streams = self.hungry.iter().take(if room { most } else { 0 });
        let behind = streams.filter_map(|stream| match self.lanes.get(stream)?.course {
            Course::Behind { loaded } => Some((stream.clone(), loaded)),
            Course::Live | Course::Parked(_) => None,
        });
        behind.collect()
    }

    /// Takes the next stretch of a lane behind the cursor. At the end the lane is fed by the main cursor again.
    pub(crate) fn refill(&mut self, stream: &StreamId, stretch: Stretch) {
        let Some(lane) = self.lanes.get_mut(stream) else { return };
        let Course::Behind { loaded } = &mut lane.course else { return };
        lane.rest_until = None;
        *loaded = stretch.loaded.max(*loaded);
        for event in stretch.events {
            let counts = lane.counts.remove(&event.version).unwrap_or_default();
            if lane.done.contains(&event.version) {
                continue;
            }
            let item = Item::new(event, counts);
            self.behind += 1;
            self.bytes += item.bytes();
            lane.push(item);
        }
        if stretch.end && lane.queue.is_empty() {
            lane.course = Course::Live;
            self.dirty = true;
        }
        self.refresh(stream);
    }

    /// Lets a live lane fall behind the cursor: it keeps what is loaded, the rest is read when its turn comes.
    pub(super) fn fall_behind(&mut self, stream: &StreamId, loaded: Version) {
        let Some(lane) = self.lanes.get_mut(stream) else { return };
        lane.course = Course::Behind { loaded };
        let positions: Vec<_> = lane.queue.iter().map(|item| item.event.position).collect();
        self.behind += positions.len();
        for position in positions {
            self.leave_open(position);
        }
        self.dirty = true;
    }

    /// Makes room for the streams that can go on: those that wait for their next attempt fall behind.
    pub(crate) fn make_room(&mut self) {
        if self.is_resuming() {
            return;
        }
        // Lanes with a timer are out or wait; the others do not matter here, however many are parked.
        let found = self.timers.iter().filter_map(|(_, stream)| {
            let lane = self.lanes.get(stream).filter(|lane| lane.is_live() && lane.range.is_none())?;
            lane.queue.back().map(|last| (stream.clone(), last.event.version))
        });
        for (stream, last) in found.collect::<Vec<_>>() {
            self.fall_behind(&stream, last);
            self.refresh(&stream);
        }
    }

    /// What is parked.
    pub(crate) fn parked(&self) -> impl Iterator<Item = &ParkedEvent> {
        self.lanes.values().filter_map(|lane| match &lane.course {
            Course::Parked(parked) => Some(parked),
            Course::Live | Course::Behind { .. } => None,
        })
    }

    /// A parked event is delivered again, and what waits behind it after it.
    pub(crate) fn replay(&mut self, stream: &StreamId) {
        self.decide(stream, true);
    }

    /// A parked event is dropped, and what waits behind it is delivered.
    pub(crate) fn discard(&mut self, stream: &StreamId) {
        self.decide(stream, false);
    }

    fn decide(&mut self, stream: &StreamId, again: bool) {
        let Some(lane) = self.lanes.get_mut(stream) else { return };
        let Course::Parked(parked) = &lane.course else { return };
        *lane = Lane::behind(&parked.clone(), again);
        self.dirty = true;
        self.refresh(stream);
    }
}
