//! The ledger against a plain model: any order of appends, reads, deliveries, answers, decisions and crashes.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use gesta_core::{
    Checkpoint, Epoch, Metadata, Position, Priority, RecordedEvent, StreamId, Tenant, Timestamp, Version,
};
use proptest::prelude::*;
use uuid::Uuid;

use super::{Acked, Ledger, Saved, Stretch};
use crate::{
    Batch,
    group::{
        GroupDefinition,
        record::{Decision, Known, LiveGroup, ParkedEvent},
    },
};

const GENERATION: Version = Version::new(1);
const CONSUMERS: [&str; 3] = ["x", "y", "z"];

#[derive(Debug, Clone)]
enum Step {
    Append {
        stream: u8,
        priority: u8,
    },
    /// A position of somebody else's.
    Hole,
    Read {
        most: usize,
    },
    Take {
        consumer: usize,
        most: usize,
    },
    Ack {
        choice: usize,
    },
    Nack {
        choice: usize,
        park: bool,
    },
    Advance {
        ms: u64,
    },
    Replay {
        choice: usize,
    },
    Discard {
        choice: usize,
    },
    Crash,
    /// The process dies after a refusal or a lease that ran out was recorded, and before it was saved.
    CrashUnsaved,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0..4u8, 1..=5u8).prop_map(|(stream, priority)| Step::Append { stream, priority }),
        1 => Just(Step::Hole),
        5 => (1..6usize).prop_map(|most| Step::Read { most }),
        6 => (0..3usize, 1..5usize).prop_map(|(consumer, most)| Step::Take { consumer, most }),
        8 => any::<usize>().prop_map(|choice| Step::Ack { choice }),
        4 => (any::<usize>(), prop::bool::weighted(0.3)).prop_map(|(choice, park)| Step::Nack { choice, park }),
        2 => (1..150u64).prop_map(|ms| Step::Advance { ms }),
        1 => any::<usize>().prop_map(|choice| Step::Replay { choice }),
        1 => any::<usize>().prop_map(|choice| Step::Discard { choice }),
        1 => Just(Step::Crash),
        1 => Just(Step::CrashUnsaved),
    ]
}

/// A delivery that is somebody's: its count and its end.
type Live = BTreeMap<Position, (StreamId, u32, Timestamp)>;

/// The log, the group's stream, the checkpoint, and what must be true of them.
struct Model {
    definition: GroupDefinition,
    log: Vec<Option<RecordedEvent>>,
    ledger: Ledger,
    now: Timestamp,
    journal: Vec<Decision>,
    saved: Checkpoint,
    settled: BTreeSet<Position>,
    counts: BTreeMap<Position, u32>,
    live: Live,
    parked: BTreeMap<StreamId, ParkedEvent>,
}

impl Model {
    fn new() -> Self {
        Self::with(5)
    }

    fn with(max_in_flight: usize) -> Self {
        let definition = GroupDefinition {
            retry_delays: [0, 10, 20].map(Duration::from_millis).to_vec(),
            lease: Duration::from_millis(100),
            max_in_flight,
            ..GroupDefinition::default()
        };
        let now = Timestamp::from_micros(1_000_000);
        let ledger =
            Ledger::restore(definition.clone(), &group(&definition, &[], &BTreeMap::new()), None, now);
        let saved = ledger.checkpoint(known(GENERATION));
        Self {
            definition,
            log: Vec::new(),
            ledger,
            now,
            journal: Vec::new(),
            saved,
            settled: BTreeSet::new(),
            counts: BTreeMap::new(),
            live: Live::new(),
            parked: BTreeMap::new(),
        }
    }

    fn folded(&self) -> Version {
        Version::new(GENERATION.get() + self.journal.len() as u64)
    }

    fn save(&mut self) {
        self.record_parkings();
        self.saved = self.ledger.checkpoint(known(self.folded()));
        self.check_checkpoint();
    }

    fn record_parkings(&mut self) {
        for parked in self.ledger.take_parkings() {
            assert!(!self.settled.contains(&parked.position), "a settled event was parked");
            self.parked.insert(parked.stream.clone(), parked.clone());
            self.journal.push(Decision::Parked(parked));
        }
    }

    /// Everything up to the checkpoint is settled, or parked, or in a lane that is known to be behind.
    fn check_checkpoint(&self) {
        let saved = Saved::read(&self.saved).expect("it is ours");
        let behind: BTreeSet<_> = saved.lanes.iter().map(|lane| lane.stream.clone()).collect();
        let passed = self.log.iter().flatten().take_while(|event| event.position <= self.saved.position);
        for event in passed {
            let held = self.parked.get(&event.stream).is_some_and(|parked| parked.version <= event.version);
            assert!(
                self.settled.contains(&event.position) || held || behind.contains(&event.stream),
                "the checkpoint {} passes {} of {}",
                self.saved.position,
                event.position,
                event.stream
            );
        }
    }

    fn append(&mut self, stream: u8, priority: u8) {
        let stream: StreamId = format!("s-{stream}").parse().expect("legal");
        let version = self.log.iter().flatten().filter(|event| event.stream == stream).count() as u64 + 1;
        let metadata = Metadata { priority: Priority::new(priority), ..Metadata::default() };
        self.log.push(Some(RecordedEvent {
            id: Uuid::from_u128(self.log.len() as u128),
            tenant: Tenant::default(),
            stream,
            version: Version::new(version),
            position: Position::new(self.log.len() as u64 + 1),
            event_type: "x".into(),
            schema_version: 1,
            content_type: "application/json".into(),
            recorded_at: self.now,
            metadata: metadata.to_json().into(),
            data: "1".into(),
        }));
    }

    fn read(&mut self, most: usize) {
        for (stream, after) in self.ledger.hungry(2) {
            let cursor = self.ledger.cursor();
            let rest = self
                .log
                .iter()
                .flatten()
                .filter(|e| e.stream == stream && e.version > after && e.position <= cursor);
            let events: Vec<_> = rest.take(most).cloned().collect();
            let loaded = events.last().map_or(after, |last| last.version);
            let end = events.len() < most;
            self.ledger.refill(&stream, Stretch { events, loaded, end });
        }
        if self.ledger.room() == 0 {
            self.ledger.make_room();
        }
        let most = most.min(self.ledger.room());
        let from = self.ledger.cursor().get() as usize;
        let stretch = self.log.get(from..).unwrap_or_default();
        let stretch = &stretch[..most.min(stretch.len())];
        let position = Position::new((from + stretch.len()) as u64);
        self.ledger.feed(Batch { events: stretch.iter().flatten().cloned().collect(), position });
    }

    fn take(&mut self, consumer: usize, most: usize) -> usize {
        let consumer: Arc<str> = CONSUMERS[consumer].into();
        let taken = self.ledger.take(&consumer, most);
        let batch: BTreeSet<_> = taken.iter().map(|taken| taken.event.position).collect();
        for taken in &taken {
            let event = &taken.event;
            assert!(!self.settled.contains(&event.position), "{} was settled", event.position);
            assert!(!self.live.contains_key(&event.position), "{} is somebody's", event.position);
            assert!(!self.parked.contains_key(&event.stream), "{} overtakes a parked event", event.position);
            let earlier =
                self.log.iter().flatten().filter(|e| e.stream == event.stream && e.version < event.version);
            for before in earlier {
                let fine = self.settled.contains(&before.position) || batch.contains(&before.position);
                assert!(fine, "{} overtakes {}", event.position, before.position);
            }
            let count = self.counts.entry(event.position).or_default();
            *count += 1;
            assert_eq!(taken.count, *count, "the count of {} is true", event.position);
            let until = self.now.plus(self.definition.lease);
            self.live.insert(event.position, (event.stream.clone(), taken.count, until));
        }
        assert!(self.live.len() <= self.definition.max_in_flight);
        taken.len()
    }

    fn ack(&mut self, choice: usize) {
        // Any delivery there ever was, live or not.
        let all: Vec<_> =
            self.counts.iter().flat_map(|(at, most)| (1..=*most).map(|count| (*at, count))).collect();
        let Some(&(position, count)) = all.get(choice % all.len().max(1)) else { return };
        let live = self.live.get(&position).is_some_and(|(_, of, _)| *of == count);
        let acked = self.ledger.ack(position, count);
        assert_eq!(acked == Acked::Settled, live, "{position} in delivery {count}: {acked:?}");
        if live {
            self.live.remove(&position);
            assert!(self.settled.insert(position), "settled once");
            assert_eq!(self.ledger.ack(position, count), Acked::Again);
        }
    }

    fn ack_at(&mut self, position: Position) {
        let (_, count, _) = self.live.remove(&position).expect("it is out");
        assert_eq!(self.ledger.ack(position, count), Acked::Settled);
        assert!(self.settled.insert(position), "settled once");
    }

    fn nack(&mut self, choice: usize, park: bool) {
        let Some((&position, (stream, count, _))) = self.live.iter().nth(choice % self.live.len().max(1))
        else {
            return;
        };
        let (stream, count) = (stream.clone(), *count);
        assert!(self.ledger.nack(&[(position, count)], Some("no"), park).is_empty());
        self.live.retain(|at, (of, ..)| *of != stream || *at < position);
    }

    fn advance(&mut self, ms: u64) {
        self.now = self.now.plus(Duration::from_millis(ms));
        self.ledger.advance(self.now);
        self.live.retain(|_, (.., until)| self.now < *until);
    }

    fn decide(&mut self, choice: usize, again: bool) {
        self.record_parkings();
        let Some((stream, parked)) = self.parked.iter().nth(choice % self.parked.len().max(1)) else {
            return;
        };
        let (stream, parked) = (stream.clone(), parked.clone());
        self.parked.remove(&stream);
        if again {
            self.journal.push(Decision::Replayed(parked));
            self.ledger.replay(&stream);
        } else {
            self.settled.insert(parked.position);
            self.journal.push(Decision::Discarded(parked));
            self.ledger.discard(&stream);
        }
    }

    fn crash(&mut self) {
        let saved = Saved::read(&self.saved).expect("it is ours");
        let since = (saved.known.folded.get() - GENERATION.get()) as usize;
        let group = group(&self.definition, &self.journal[since..], &self.parked);
        let saved = Some((self.saved.position, saved));
        self.ledger = Ledger::restore(self.definition.clone(), &group, saved, self.now);
        self.live.clear();
        self.save();
    }

    fn obey(&mut self, step: Step) {
        match step {
            Step::Append { stream, priority } => self.append(stream, priority),
            Step::Hole => self.log.push(None),
            Step::Read { most } => self.read(most),
            Step::Take { consumer, most } => drop(self.take(consumer, most)),
            Step::Ack { choice } => self.ack(choice),
            Step::Nack { choice, park } => self.nack(choice, park),
            Step::Advance { ms } => self.advance(ms),
            Step::Replay { choice } => self.decide(choice, true),
            Step::Discard { choice } => self.decide(choice, false),
            Step::Crash => self.crash(),
            Step::CrashUnsaved => {
                self.nack(0, true);
                self.record_parkings();
                self.decide(0, true);
                self.crash();
            }
        }
        self.save();
    }

    /// Replays all that is parked and acknowledges all that comes, until nothing does.
    fn drain(&mut self) {
        let mut idle = 0;
        for _ in 0..10_000 {
            if idle == 5 {
                return;
            }
            self.advance(1_000);
            self.record_parkings();
            while !self.parked.is_empty() {
                self.decide(0, true);
            }
            self.read(4);
            let taken = self.take(0, 100);
            idle = if taken == 0 { idle + 1 } else { 0 };
            for (position, (_, count, _)) in std::mem::take(&mut self.live) {
                assert_eq!(self.ledger.ack(position, count), Acked::Settled);
                assert!(self.settled.insert(position));
            }
            self.save();
        }
        panic!("it never comes to rest");
    }
}

fn group(
    definition: &GroupDefinition,
    later: &[Decision],
    parked: &BTreeMap<StreamId, ParkedEvent>,
) -> LiveGroup {
    LiveGroup {
        generation: GENERATION,
        created_at: Timestamp::from_micros(0),
        definition: definition.clone(),
        start: Position::START,
        parked: parked.clone(),
        later: later.to_vec(),
        late: BTreeMap::new(),
    }
}

fn known(folded: Version) -> Known {
    Known { generation: GENERATION, folded, epoch: Epoch(1) }
}

#[test]
fn what_a_lane_has_caught_up_with_is_not_delivered_again_after_a_crash() {
    let mut model = Model::new();
    model.append(0, 3);
    model.read(5);
    model.take(0, 1);
    model.nack(0, true);
    model.append(1, 3);
    model.append(0, 3);
    model.read(5);
    model.decide(0, true);
    model.read(5);
    assert_eq!(model.take(0, 2), 2, "the replayed event and the one held behind it");
    model.live.keys().copied().collect::<Vec<_>>().iter().for_each(|at| model.ack_at(*at));
    model.read(5);
    model.save();
    model.crash();
    model.drain();
    assert_eq!(model.settled.len(), 3);
}

#[test]
fn what_was_acknowledged_before_a_crash_is_not_replayed_with_its_predecessor() {
    let mut model = Model::with(100);
    model.append(0, 3);
    model.append(0, 3);
    model.read(5);
    assert_eq!(model.take(0, 2), 2);
    model.ack_at(Position::new(2));
    model.save();
    model.crash();
    model.read(5);
    assert_eq!(model.take(0, 2), 1);
    model.nack(0, true);
    model.drain();
    assert_eq!(model.settled.len(), 2);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_is_lost_overtaken_or_handled_twice(steps in prop::collection::vec(step(), 1..150)) {
        let mut model = Model::new();
        for step in steps {
            model.obey(step);
        }
        model.drain();
        let all: BTreeSet<_> = model.log.iter().flatten().map(|event| event.position).collect();
        prop_assert_eq!(&model.settled, &all);
        prop_assert_eq!(model.saved.position, Position::new(model.log.len() as u64));
        let saved = Saved::read(&model.saved).expect("it is ours");
        prop_assert_eq!((saved.open.len(), saved.lanes.len()), (0, 0), "nothing is left behind");
    }

    #[test]
    fn the_checkpoint_is_contiguous_under_any_order_of_acks(
        streams in prop::collection::vec(0..4u8, 1..40),
        order in prop::collection::vec(any::<usize>(), 40),
    ) {
        let mut model = Model::with(1_000);
        streams.iter().for_each(|stream| model.append(*stream, 3));
        model.read(100);
        while model.take(0, 100) > 0 {}
        for choice in order {
            let Some((&position, (_, count, _))) = model.live.iter().nth(choice % model.live.len().max(1)) else { break };
            let count = *count;
            prop_assert_eq!(model.ledger.ack(position, count), Acked::Settled);
            model.live.remove(&position);
            model.settled.insert(position);
            model.save();
            let contiguous = (1..).map(Position::new).take_while(|at| model.settled.contains(at)).count() as u64;
            prop_assert_eq!(model.saved.position, Position::new(contiguous));
        }
    }
}
