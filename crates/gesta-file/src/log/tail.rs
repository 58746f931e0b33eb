//! What is in the log and not yet in the index.
//!
//! The writer adds an event as soon as it is ordered, so that the next decision sees it; the index thread takes
//! what is durable, in large runs. Whoever asks looks here first and at the index afterwards: an event on its way
//! from here to there is then seen at least once.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Condvar, Mutex, MutexGuard},
    time::Duration,
};

use gesta_core::{ListStreams, Position, StreamId, StreamInfo, Tenant, Version};
use uuid::Uuid;

use crate::index::{Entry, WORTHWHILE};

/// The streams of so many runs are remembered after their events have moved on to the index, and of no more runs than
/// have this many streams between them.
const REMEMBERED_RUNS: usize = 8;
const REMEMBERED_STREAMS: usize = 1 << 17;
/// So many entries are looked at under one lock.
const STEP: u64 = 1_024;
/// A run that is not worthwhile waits so long for company, so that the index gets few and large batches: each costs
/// half of what it would in small ones.
const COMPANY: Duration = Duration::from_secs(1);

/// The events that are in the log and not yet in the index.
pub(crate) struct Tail {
    held: Mutex<Held>,
    /// Something became durable, or the end was asked for.
    filled: Condvar,
    /// The index thread has taken something off.
    drained: Condvar,
    most_events: usize,
}

/// Entries in order, for each the position of the one before it in its stream, and their names.
///
/// What is known of a run is dropped as a whole, and not under the lock: taking names out of one large table one by
/// one kept the writer waiting.
#[derive(Default)]
struct Run {
    entries: Vec<Entry>,
    before: Vec<Position>,
    ids: HashMap<Tenant, HashMap<Uuid, Position>>,
    streams: Streams,
    /// The greatest id of version 7.
    newest: Uuid,
}

/// The newest event of each stream.
type Streams = HashMap<Tenant, HashMap<StreamId, Newest>>;

struct Held {
    /// What the index thread is working on.
    taken: Arc<Run>,
    /// What came behind it.
    waiting: Run,
    /// The position of the first of both; the entry of position p is the one of index p - base.
    base: u64,
    durable: Position,
    /// The streams of runs that have moved on to the index, latest first.
    settled: VecDeque<Streams>,
    /// No id of version 7 that has moved on to the index is greater; `None` if there is no saying.
    newest_settled: Option<Uuid>,
    stopped: bool,
}

/// What the tail knows of an id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sought {
    /// It is here.
    At(Position),
    /// It is nowhere: ids of version 7 begin with their time, and this one is younger than all in the index.
    Nowhere,
    /// The index has to be asked.
    NotHere,
}

/// The newest event of a stream.
#[derive(Clone, Copy)]
struct Newest {
    version: Version,
    position: Position,
}

impl Tail {
    /// An empty tail behind `head`. No id of version 7 in the log is greater than `newest`; `None` if that is unknown.
    pub(crate) fn new(head: Position, most_events: usize, newest: Option<Uuid>) -> Self {
        let held = Held {
            taken: Arc::default(),
            waiting: Run::default(),
            base: head.next().get(),
            durable: head,
            settled: VecDeque::new(),
            newest_settled: newest,
            stopped: false,
        };
        Self { held: Mutex::new(held), filled: Condvar::new(), drained: Condvar::new(), most_events }
    }

    /// Adds the next event of the log, ordered and not yet durable.
    pub(crate) fn push(&self, entry: Entry) {
        self.held().push(entry);
    }

    /// Everything up to here is durable and may be indexed.
    pub(crate) fn settle(&self, durable: Position) {
        let mut held = self.held();
        let before = held.ready();
        held.durable = durable;
        // Not for every group: the index thread sleeps until the first of a run, and then until it is worthwhile.
        if before == 0 || held.ready() >= self.worthwhile() {
            self.filled.notify_one();
        }
    }

    /// A short tail must not be full before its first run is worthwhile.
    fn worthwhile(&self) -> usize {
        WORTHWHILE.min(self.most_events / 2)
    }

    /// Waits until there is room for more; `false` if there is none in time.
    pub(crate) fn wait_for_room(&self, patience: Duration) -> bool {
        let held = self.held();
        if held.len() < self.most_events {
            return true;
        }
        let full = |held: &mut Held| held.len() >= self.most_events && !held.stopped;
        let waited = self.drained.wait_timeout_while(held, patience, full);
        !waited.expect("no holder of the tail's lock panics").1.timed_out()
    }

    /// Where the event of this id is, if it is here.
    pub(crate) fn find_id(&self, tenant: &Tenant, id: Uuid) -> Sought {
        let held = self.held();
        let runs = [&held.waiting, &*held.taken];
        match runs.into_iter().find_map(|run| run.ids.get(tenant)?.get(&id)) {
            Some(position) => Sought::At(*position),
            None if is_ordered(id) && held.newest_settled.is_some_and(|newest| newest < id) => {
                Sought::Nowhere
            }
            None => Sought::NotHere,
        }
    }

    /// The version of a stream, if it is known here.
    pub(crate) fn stream_version(&self, tenant: &Tenant, stream: &StreamId) -> Option<Version> {
        self.held().newest(tenant, stream).map(|newest| newest.version)
    }

    /// The events of a stream that are here with `after < version ≤ up_to` and not behind `head`, oldest first.
    pub(crate) fn stream_positions(
        &self,
        (tenant, stream): (&Tenant, &StreamId),
        (after, up_to): (Version, Version),
        head: Position,
    ) -> Vec<(Version, Position)> {
        let held = self.held();
        let mut found: Vec<_> = held
            .back_from(held.newest(tenant, stream))
            .map(|entry| (entry.version, entry.position))
            .take_while(|(version, _)| after < *version)
            .filter(|(version, position)| version <= &up_to && position <= &head)
            .collect();
        found.reverse();
        found
    }

    /// The positions here in `after < position ≤ up_to` whose event may be of this correlation, oldest first.
    pub(crate) fn correlated(
        &self,
        tenant: &Tenant,
        correlation: &str,
        (after, up_to): (Position, Position),
    ) -> Vec<Position> {
        let own: Option<Uuid> = correlation.parse().ok();
        let wanted = |entry: &Entry| {
            entry.tenant == *tenant
                && entry.correlation.as_deref().map_or(own == Some(entry.id), |given| given == correlation)
        };
        let mut found = Vec::new();
        self.walk(after, up_to, |entry| {
            if wanted(entry) {
                found.push(entry.position);
            }
        });
        found
    }

    /// The streams here that pass, as far as `head`, in no order.
    pub(crate) fn list_streams(&self, list: &ListStreams, head: Position) -> Vec<StreamInfo> {
        let mut passing: HashMap<StreamId, Newest> = HashMap::new();
        self.walk(Position::START, head, |entry| {
            if entry.tenant == list.tenant && list.accepts(&entry.stream) {
                let newest = Newest { version: entry.version, position: entry.position };
                passing.insert(entry.stream.clone(), newest);
            }
        });
        let info =
            |(stream, Newest { version, position })| StreamInfo { stream, version, last_position: position };
        passing.into_iter().map(info).collect()
    }

    /// Looks at the entries in `after < position ≤ up_to`, oldest first, a few under each lock: the writer must not wait
    /// for a walk over all of them. What moves on to the index meanwhile is not looked at, and is found there.
    fn walk(&self, after: Position, up_to: Position, mut look: impl FnMut(&Entry)) {
        let mut next = Some(after.next());
        while let Some(from) = next {
            next = self.step(from, up_to, &mut look);
            std::thread::yield_now();
        }
    }

    /// Looks at the next few entries, and answers where to go on.
    fn step(&self, from: Position, up_to: Position, look: &mut impl FnMut(&Entry)) -> Option<Position> {
        let held = self.held();
        let first = from.get().max(held.base);
        for position in first..first + STEP {
            let (entry, _) =
                held.get(Position::new(position)).filter(|(entry, _)| entry.position <= up_to)?;
            look(entry);
        }
        Some(Position::new(first + STEP))
    }

    /// Takes what is durable, for the index; it stays visible here until [`Tail::let_go`]. Waits for something;
    /// `None` once the end was asked for and nothing durable is left.
    pub(crate) fn take(&self) -> Option<Taken> {
        let mut held = self.held();
        held = self
            .filled
            .wait_while(held, |held| held.ready() == 0 && !held.stopped)
            .expect("no holder of the tail's lock panics");
        if held.ready() < self.worthwhile() && !held.stopped {
            let few = |held: &mut Held| held.ready() < self.worthwhile() && !held.stopped;
            held = self
                .filled
                .wait_timeout_while(held, COMPANY, few)
                .expect("no holder of the tail's lock panics")
                .0;
        }
        let ready = held.ready();
        if ready == 0 {
            return None;
        }
        Some(Taken(held.take(ready)))
    }

    /// What was taken is in the index now.
    pub(crate) fn let_go(&self, taken: Taken) {
        let mut held = self.held();
        held.taken = Arc::default();
        held.base += taken.entries().len() as u64;
        held.newest_settled = held.newest_settled.map(|newest| newest.max(taken.0.newest));
        let run = Arc::into_inner(taken.0)
            .expect("a run is held by the tail and by whoever took it, and by nobody else");
        // At once: in between an older run would answer for the streams of this one.
        let forgotten = held.remember(run.streams);
        drop(held);
        self.drained.notify_all();
        drop((run.entries, run.ids, forgotten));
    }

    /// No more will come: [`Tail::take`] gives what is left and then `None`.
    pub(crate) fn stop(&self) {
        self.held().stopped = true;
        self.filled.notify_all();
        self.drained.notify_all();
    }

    /// Whether the end was asked for.
    pub(crate) fn is_stopped(&self) -> bool {
        self.held().stopped
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().expect("no holder of the tail's lock panics")
    }
}

/// A run of entries on its way to the index.
pub(crate) struct Taken(Arc<Run>);

impl Taken {
    pub(crate) fn entries(&self) -> &[Entry] {
        &self.0.entries
    }
}

impl Held {
    fn push(&mut self, entry: Entry) {
        let before =
            self.newest(&entry.tenant, &entry.stream).map_or(Position::START, |known| known.position);
        self.waiting.push(entry, before);
    }

    /// Hands over the first so many of what waits.
    fn take(&mut self, ready: usize) -> Arc<Run> {
        let later = self.waiting.entries.drain(ready..).zip(self.waiting.before.drain(ready..));
        let mut waiting = Run::default();
        later.for_each(|(entry, before)| waiting.push(entry, before));
        self.taken = Arc::new(std::mem::replace(&mut self.waiting, waiting));
        self.taken.clone()
    }

    /// Remembers the streams of a run that has moved on; answers with those that are forgotten for it.
    fn remember(&mut self, streams: Streams) -> VecDeque<Streams> {
        self.settled.push_front(streams);
        let mut names = 0;
        let kept = self.settled.iter().take(REMEMBERED_RUNS).take_while(|streams| {
            names += streams.values().map(HashMap::len).sum::<usize>();
            names <= REMEMBERED_STREAMS
        });
        let kept = kept.count();
        self.settled.split_off(kept)
    }

    fn len(&self) -> usize {
        self.taken.entries.len() + self.waiting.entries.len()
    }

    /// How many of the waiting entries are durable.
    fn ready(&self) -> usize {
        let first = self.base + self.taken.entries.len() as u64;
        let durable = (self.durable.get() + 1).saturating_sub(first);
        self.waiting.entries.len().min(usize::try_from(durable).unwrap_or(usize::MAX))
    }

    /// The newest event of a stream that is here, or was here not long ago.
    fn newest(&self, tenant: &Tenant, stream: &StreamId) -> Option<Newest> {
        let here = [&self.waiting.streams, &self.taken.streams];
        here.into_iter().chain(&self.settled).find_map(|streams| streams.get(tenant)?.get(stream)).copied()
    }

    /// The entry at a position and the position of the one before it in its stream.
    fn get(&self, position: Position) -> Option<(&Entry, Position)> {
        let at = usize::try_from(position.get().checked_sub(self.base)?).ok()?;
        let taken = self.taken.entries.len();
        let (run, at) = if at < taken { (&*self.taken, at) } else { (&self.waiting, at - taken) };
        Some((run.entries.get(at)?, run.before[at]))
    }

    /// The entries of a stream from its newest back to the oldest that is here.
    fn back_from(&self, newest: Option<Newest>) -> impl Iterator<Item = &Entry> {
        let mut next = newest.map(|newest| newest.position);
        std::iter::from_fn(move || {
            let (entry, before) = self.get(next?)?;
            next = Some(before);
            Some(entry)
        })
    }
}

impl Run {
    fn push(&mut self, entry: Entry, before: Position) {
        let newest = Newest { version: entry.version, position: entry.position };
        of(&mut self.ids, &entry.tenant).insert(entry.id, entry.position);
        let streams = of(&mut self.streams, &entry.tenant);
        match streams.get_mut(&entry.stream) {
            Some(known) => *known = newest,
            None => {
                streams.insert(entry.stream.clone(), newest);
            }
        }
        if is_ordered(entry.id) {
            self.newest = self.newest.max(entry.id);
        }
        self.before.push(before);
        self.entries.push(entry);
    }
}

/// What is kept for a tenant.
fn of<'a, T: Default>(by_tenant: &'a mut HashMap<Tenant, T>, tenant: &Tenant) -> &'a mut T {
    if !by_tenant.contains_key(tenant) {
        by_tenant.insert(tenant.clone(), T::default());
    }
    by_tenant.get_mut(tenant).expect("it is there now")
}

/// Whether an id is of version 7, which rise with time.
pub(crate) fn is_ordered(id: Uuid) -> bool {
    id.get_version_num() == 7
}

#[cfg(test)]
mod tests;
