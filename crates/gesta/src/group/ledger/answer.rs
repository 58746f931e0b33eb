//! What consumers say about deliveries, and what becomes of those they say nothing about.

use std::{collections::HashMap, sync::Arc, time::Duration};

use gesta_core::{Position, StreamId, Timestamp};

use super::Ledger;
use crate::group::{GroupDefinition, GroupStatistics};

/// What an acknowledgement came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Acked {
    /// The event is settled.
    Settled,
    /// This very delivery was acknowledged before.
    Again,
    /// The delivery is not the consumer's any more.
    Lost,
}

impl Ledger {
    /// Settles a delivery.
    pub(crate) fn ack(&mut self, position: Position, count: u32) -> Acked {
        let Some((stream, at)) = self.find(position, count) else {
            return if self.recent.holds(position, count) { Acked::Again } else { Acked::Lost };
        };
        let lane = self.lanes.get_mut(&stream).expect("a delivery that is out has a lane");
        let live = lane.is_live();
        let item = lane.settle(at);
        self.drop_items(live, [item]);
        self.recent.insert(position, count);
        self.statistics.acked += 1;
        self.dirty = true;
        self.refresh(&stream);
        Acked::Settled
    }

    /// Refuses deliveries, or with `park` parks their events at once; answers with the places of the lost ones.
    ///
    /// The first refused event of a stream has failed; what was out behind it is given back, refused or not.
    pub(crate) fn nack(
        &mut self,
        refused: &[(Position, u32)],
        reason: Option<&str>,
        park: bool,
    ) -> Vec<usize> {
        let mut held = Vec::new();
        let mut lost = Vec::new();
        for (place, (position, count)) in refused.iter().enumerate() {
            match self.find(*position, *count) {
                Some(_) => held.push((*position, *count)),
                None => lost.push(place),
            }
        }
        held.sort_unstable();
        held.dedup();
        self.statistics.nacked += held.len() as u64;
        for (position, count) in held {
            if let Some((stream, at)) = self.find(position, count) {
                let delay = self.delay_after(&stream, at);
                self.fail(&stream, at, reason.unwrap_or("refused without a reason"), park, delay);
                self.refresh(&stream);
            }
        }
        lost
    }

    /// Gives back what was handed out to nobody: it counts as a delivery, not as a failure.
    pub(crate) fn give_back(&mut self, position: Position, count: u32) {
        let Some((stream, at)) = self.find(position, count) else { return };
        let lane = self.lanes.get_mut(&stream).expect("a delivery that is out has a lane");
        for back in lane.take_back(at) {
            self.out.remove(&back);
        }
        self.refresh(&stream);
    }

    /// The lease of a lane's range is over: its first event that is out has failed, another consumer may have it at
    /// once. The caller refreshes the lane.
    pub(super) fn expire(&mut self, stream: &StreamId) {
        let Some(lane) = self.lanes.get(stream) else { return };
        let (Some(at), Some(range)) = (lane.queue.iter().position(|item| item.out), &lane.range) else {
            return;
        };
        let reason =
            format!("consumer {} let its lease of {:?} run out", range.consumer, self.definition.lease);
        self.statistics.expired += 1;
        self.fail(stream, at, &reason, false, Duration::ZERO);
    }

    fn fail(&mut self, stream: &StreamId, at: usize, reason: &str, park: bool, delay: Duration) {
        let lane = self.lanes.get_mut(stream).expect("a delivery that is out has a lane");
        for back in lane.take_back(at) {
            self.out.remove(&back);
        }
        let item = &mut lane.queue[at];
        item.counts.failed += 1;
        item.counts.first_failed_at.get_or_insert(self.now);
        item.not_before = self.now.plus(delay);
        item.reason = Some(reason.chars().take(1_000).collect());
        item.doomed |= park;
        let (position, counts) = (item.event.position, item.counts);
        if lane.is_live() {
            self.touched.insert(position, counts);
        }
        self.dirty = true;
    }

    fn delay_after(&self, stream: &StreamId, at: usize) -> Duration {
        let failed = self.lanes[stream].queue[at].counts.failed as usize + 1;
        let delays = &self.definition.retry_delays;
        delays.get(failed).or(delays.last()).copied().unwrap_or_default()
    }

    /// Where a delivery that is out stands.
    fn find(&self, position: Position, count: u32) -> Option<(StreamId, usize)> {
        let stream = self.out.get(&position)?;
        let lane = self.lanes.get(stream)?;
        let at = lane.find(position)?;
        let item = &lane.queue[at];
        (item.out && item.counts.delivered == count).then(|| (stream.clone(), at))
    }

    /// When something will happen by itself.
    pub(crate) fn due(&self) -> Option<Timestamp> {
        self.timers.first().map(|(at, _)| *at)
    }

    /// The time it was told last.
    pub(crate) fn now(&self) -> Timestamp {
        self.now
    }

    /// How many deliveries are out.
    pub(crate) fn in_flight(&self) -> usize {
        self.out.len()
    }

    /// How many deliveries each consumer holds.
    pub(crate) fn held_by_consumer(&self) -> HashMap<Arc<str>, usize> {
        let mut held = HashMap::new();
        for range in self.lanes.values().filter_map(|lane| lane.range.as_ref()) {
            *held.entry(range.consumer.clone()).or_default() += range.out;
        }
        held
    }

    /// What happened so far.
    pub(crate) fn statistics(&self) -> GroupStatistics {
        self.statistics
    }

    /// What the group is.
    pub(crate) fn definition(&self) -> &GroupDefinition {
        &self.definition
    }

    /// How far the log was read.
    pub(crate) fn cursor(&self) -> Position {
        self.cursor
    }
}
