//! One stream within a group: what of it waits, what is out, and where more of it comes from.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
};

use gesta_core::{Position, RecordedEvent, Timestamp, Version};

use super::{Counts, Taken};
use crate::group::record::ParkedEvent;

/// One stream within a group. At most one consumer holds events of it at a time, and only a range from its front.
#[derive(Default)]
pub(super) struct Lane {
    /// What is loaded and not settled, in order.
    pub(super) queue: VecDeque<Item>,
    /// Where more comes from.
    pub(super) course: Course,
    /// Settled versions behind the front of the queue: acknowledged out of order.
    pub(super) done: BTreeSet<Version>,
    /// What is known of events that are not loaded again yet.
    pub(super) counts: BTreeMap<Version, Counts>,
    /// When more of it is to be read.
    pub(super) rest_until: Option<Timestamp>,
    /// The range that is out.
    pub(super) range: Option<Range>,
    /// Its key among the lanes that may be delivered.
    pub(super) ready: Option<(u8, Position)>,
    /// When it needs attention.
    pub(super) timer: Option<Timestamp>,
    /// How many loaded events there are of each priority.
    pub(super) priorities: [usize; 5],
}

/// Where the events of a lane come from.
#[derive(Default)]
pub(super) enum Course {
    /// From the main cursor.
    #[default]
    Live,
    /// From the log behind the main cursor, which passes this stream: everything up to `loaded` is loaded or settled.
    Behind {
        /// The last version that was looked at.
        loaded: Version,
    },
    /// From nowhere until somebody decides about the parked event.
    Parked(ParkedEvent),
}

/// The range of a lane that one consumer holds.
pub(super) struct Range {
    pub(super) consumer: Arc<str>,
    pub(super) until: Timestamp,
    pub(super) out: usize,
}

/// A loaded event.
pub(super) struct Item {
    pub(super) event: RecordedEvent,
    pub(super) counts: Counts,
    pub(super) not_before: Timestamp,
    pub(super) out: bool,
    /// Refused for good; parked once it is at the front.
    pub(super) doomed: bool,
    pub(super) reason: Option<String>,
    /// 0 is the highest of five.
    rank: u8,
}

impl Item {
    pub(super) fn new(event: RecordedEvent, counts: Counts) -> Self {
        let rank = event.metadata().map(|metadata| metadata.priority()).unwrap_or_default().get() - 1;
        let not_before = Timestamp::from_micros(i64::MIN);
        Self { event, counts, not_before, out: false, doomed: false, reason: None, rank }
    }

    /// Whether no attempt is left.
    pub(super) fn is_spent(&self, attempts: u32) -> bool {
        self.doomed || self.counts.failed >= attempts
    }

    pub(super) fn bytes(&self) -> usize {
        self.event.data.len() + self.event.metadata.len()
    }
}

impl Lane {
    /// A lane whose parked event was decided about: it is read from the log again, with the event or behind it.
    pub(super) fn behind(parked: &ParkedEvent, again: bool) -> Self {
        let before = Version::new(parked.version.get() - 1);
        let loaded = if again { before } else { parked.version };
        let delivered = |(version, delivered)| (version, Counts { delivered, ..Counts::default() });
        let first = again.then_some((parked.version, parked.deliveries));
        Self {
            course: Course::Behind { loaded },
            done: parked.handled.iter().copied().collect(),
            counts: first.into_iter().chain(parked.behind.iter().copied()).map(delivered).collect(),
            ..Self::default()
        }
    }

    pub(super) fn is_live(&self) -> bool {
        matches!(self.course, Course::Live)
    }

    /// Whether an event was refused for good and waits for those before it.
    pub(super) fn has_doomed(&self) -> bool {
        self.queue.iter().any(|item| item.doomed)
    }

    /// Empties the queue; what is known of its events is kept.
    pub(super) fn unload(&mut self) -> Vec<Item> {
        let mut items = Vec::new();
        while !self.queue.is_empty() {
            items.push(self.remove(0));
        }
        for item in items.iter().filter(|item| item.counts != Counts::default()) {
            self.counts.insert(item.event.version, item.counts);
        }
        if let (Some(first), Course::Behind { loaded }) = (items.first(), &mut self.course) {
            *loaded = Version::new(first.event.version.get() - 1);
        }
        items
    }

    /// How often each of its events was delivered, those that never were left out.
    pub(super) fn delivered(&self) -> Vec<(Version, u32)> {
        let loaded = self.queue.iter().map(|item| (item.event.version, item.counts.delivered));
        let counts = self.counts.iter().map(|(version, counts)| (*version, counts.delivered));
        loaded.chain(counts).filter(|(_, delivered)| *delivered > 0).collect()
    }

    pub(super) fn push(&mut self, item: Item) {
        self.priorities[usize::from(item.rank)] += 1;
        self.queue.push_back(item);
    }

    pub(super) fn remove(&mut self, at: usize) -> Item {
        let item = self.queue.remove(at).expect("the caller found the item at this place");
        self.priorities[usize::from(item.rank)] -= 1;
        if item.out {
            self.returned();
        }
        item
    }

    /// Where an event stands in the queue.
    pub(super) fn find(&self, position: Position) -> Option<usize> {
        self.queue.binary_search_by_key(&position, |item| item.event.position).ok()
    }

    /// Removes a handled event and remembers it while an earlier one is open.
    pub(super) fn settle(&mut self, at: usize) -> Item {
        let item = self.remove(at);
        if at > 0 {
            self.done.insert(item.event.version);
        }
        // Nothing needs to be remembered about versions before the first that is not settled.
        let first = match (self.queue.front(), &self.course) {
            (Some(front), _) => front.event.version,
            (None, Course::Behind { loaded }) => loaded.next(),
            (None, _) => item.event.version.next(),
        };
        if at == 0 {
            self.done = self.done.split_off(&first);
        }
        item
    }

    /// The best priority of anything loaded: a stream is as urgent as its most urgent event, because order within it
    /// stands above priority.
    pub(super) fn rank(&self) -> u8 {
        let best = self.priorities.iter().position(|count| *count > 0).unwrap_or(4);
        u8::try_from(best).expect("there are five priorities")
    }

    /// Hands out a range from the front: what failed before goes alone, so that it takes the blame alone.
    pub(super) fn hand_out(&mut self, most: usize, now: Timestamp, range: Range) -> Vec<Taken> {
        let alone = self.queue.front().is_some_and(|front| front.counts.failed > 0);
        let most = if alone { 1 } else { most };
        let mut taken = Vec::new();
        for (at, item) in self.queue.iter_mut().take(most).enumerate() {
            if at > 0 && (item.counts.failed > 0 || item.doomed || item.not_before > now) {
                break;
            }
            item.out = true;
            item.counts.delivered += 1;
            taken.push(Taken { count: item.counts.delivered, event: item.event.clone() });
        }
        self.range = Some(Range { out: taken.len(), ..range });
        taken
    }

    /// Takes back everything that is out from this place on; answers with its positions.
    pub(super) fn take_back(&mut self, from: usize) -> Vec<Position> {
        let mut back = Vec::new();
        for item in self.queue.iter_mut().skip(from).filter(|item| item.out) {
            item.out = false;
            back.push(item.event.position);
        }
        back.iter().for_each(|_| self.returned());
        back
    }

    fn returned(&mut self) {
        if let Some(range) = &mut self.range {
            range.out -= 1;
            if range.out == 0 {
                self.range = None;
            }
        }
    }
}
