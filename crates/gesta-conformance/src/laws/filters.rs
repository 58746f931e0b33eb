//! Every part of a filter, alone and combined, passes exactly what [`Filter::accepts`] says of the whole log.

use std::sync::Arc;

use gesta_core::{
    EventStore, Filter, Metadata, NewEvent, Position, Priority, ReadAll, RecordedEvent, Tenant, Timestamp,
};

use crate::{
    Backend, Dice,
    given::{append, head, log_after, one, read_all},
};

const TYPES: [&str; 6] =
    ["sample.created", "sample.moved", "PATIENT_CREATED", "order", "a b/ü*", "order.paid"];
const STREAMS: [&str; 6] = ["sample-1", "sample-2", "order-1", "Order-1", "patient-a-b", "s.x-1@2"];
const SOURCES: [&str; 3] = ["lab", "shop & co", "é"];
const SUBJECTS: [&str; 4] = ["patient/1", "patient/2", "100%", "a,b"];

fn random_event(dice: &mut Dice) -> NewEvent {
    let mut maybe = |texts: &[&str]| dice.chance(2, 3).then(|| (*dice.pick(texts)).to_owned());
    let mut metadata = Metadata {
        source: maybe(&SOURCES),
        subject: maybe(&SUBJECTS),
        correlation_id: maybe(&["talk-1", "talk-2"]),
        user_id: maybe(&["ann"]),
        ..Metadata::default()
    };
    metadata.priority = Priority::new(u8::try_from(dice.below(6)).expect("small"));
    if dice.chance(1, 2) {
        metadata = metadata.with("site", dice.pick::<&str>(&["north", "south & west", ""]));
    }
    if dice.chance(1, 3) {
        metadata.other.insert("depth".into(), serde_json::value::to_raw_value(&7).expect("a number"));
    }
    let schema_version = u32::try_from(dice.between(1, 4)).expect("small");
    let event = NewEvent::new(*dice.pick(&TYPES), "1").with_id(dice.id()).with_metadata(metadata);
    NewEvent { schema_version, ..event }
}

/// Sixty events that differ in everything a filter looks at.
async fn given(
    backend: &dyn Backend,
    dice: &mut Dice,
) -> (Arc<dyn EventStore>, Position, Vec<RecordedEvent>) {
    let store = backend.store(&Tenant::default()).await;
    let before = head(&store).await;
    for _ in 0..60 {
        append(&store, one(dice.pick::<&str>(&STREAMS), random_event(dice))).await;
    }
    let all = log_after(&store, before).await;
    assert_eq!(all.len(), 60);
    (store, before, all)
}

async fn agrees(
    store: &Arc<dyn EventStore>,
    before: Position,
    all: &[RecordedEvent],
    filter: Filter,
) -> usize {
    let wanted: Vec<_> =
        all.iter().filter(|event| filter.accepts(event)).map(|event| event.position).collect();
    let positions = |read: Vec<RecordedEvent>| read.iter().map(|e| e.position).collect::<Vec<_>>();
    let read = ReadAll::of(filter.clone()).after(before);
    assert_eq!(positions(read_all(store, read.clone()).await), wanted, "{filter:?}");
    let mut backwards = positions(read_all(store, read.backwards()).await);
    backwards.reverse();
    assert_eq!(backwards, wanted, "backwards {filter:?}");
    wanted.len()
}

/// Sets one part of a filter, chosen by its number, to something that some events have.
fn narrow(filter: &mut Filter, part: u64, all: &[RecordedEvent], dice: &mut Dice) {
    let mut texts = |from: &[&str]| -> Vec<String> {
        (0..dice.between(1, 2)).map(|_| (*dice.pick(from)).to_owned()).collect()
    };
    match part {
        0 => filter.types = texts(&TYPES).into_iter().map(Into::into).collect(),
        1 => {
            let wild = ["sample.*", "*.paid", "*", "*e*.*", "none*", "order", "PATIENT_*"];
            filter.types = texts(&wild).into_iter().map(Into::into).collect();
        }
        2 => {
            let wild = ["sample-*", "*-1", "order-1", "*", "patient-*-b", "*@*", "nobody-1"];
            filter.streams = texts(&wild).into_iter().map(Into::into).collect();
        }
        3 => filter.categories = texts(&["sample", "order", "Order", "patient", "s.x", "none"]),
        4 => filter.sources = texts(&SOURCES),
        5 => {
            let wild = ["patient/1", "patient/*", "100%", "*", "a,b"];
            filter.subjects = texts(&wild).into_iter().map(Into::into).collect();
        }
        6 => {
            let pairs = [("site", "north"), ("site", "south & west"), ("depth", "7"), ("user_id", "ann")];
            let (key, text) = *dice.pick(&pairs);
            filter.metadata.insert(key.into(), text.into());
        }
        7 => {
            let level = |n: u64| Priority::new(u8::try_from(n).expect("small")).expect("1 to 5");
            let least = dice.between(1, 5);
            filter.priority = Some((level(least), level(dice.between(least, 5))));
        }
        8 => filter.correlation_id = texts(&["talk-1", "talk-2", "talk-3"]).pop(),
        9 => filter.recorded_from = Some(dice.pick(all).recorded_at),
        10 => filter.recorded_before = Some(dice.pick(all).recorded_at),
        11 => {
            let version = |n: u64| u32::try_from(n).expect("small");
            let least = dice.between(1, 4);
            filter.schema_versions = Some((version(least), version(dice.between(least, 4))));
        }
        _ => {
            filter.ids = (0..3).map(|_| dice.pick(all).id).collect();
            filter.ids.push(dice.id());
        }
    }
}

const PARTS: u64 = 13;

/// Each part alone, eight times, and it tells events apart.
pub async fn each_part_alone(backend: &dyn Backend) {
    let mut dice = Dice::of(20);
    let (store, before, all) = given(backend, &mut dice).await;
    for part in 0..PARTS {
        let mut passed = 0;
        for _ in 0..8 {
            let mut filter = Filter::of(Tenant::default());
            narrow(&mut filter, part, &all, &mut dice);
            passed += agrees(&store, before, &all, filter).await;
        }
        assert!(0 < passed && passed < 8 * all.len(), "part {part} tells nothing apart");
    }
}

/// Two to four parts at once, a hundred and fifty times.
pub async fn parts_combined(backend: &dyn Backend) {
    let mut dice = Dice::of(21);
    let (store, before, all) = given(backend, &mut dice).await;
    let mut passed = 0;
    for _ in 0..150 {
        let mut filter = Filter::of(Tenant::default());
        for _ in 0..dice.between(2, 4) {
            let part = dice.below(PARTS);
            narrow(&mut filter, part, &all, &mut dice);
        }
        passed += agrees(&store, before, &all, filter).await;
    }
    assert!(passed > 0, "no combination passed anything");
}

/// The time range takes its lower bound in and leaves its upper bound out; an upside-down one passes nothing.
pub async fn the_time_range_is_half_open(backend: &dyn Backend) {
    let mut dice = Dice::of(22);
    let (store, before, all) = given(backend, &mut dice).await;
    let at = all[30].recorded_at;
    let range = |from: Timestamp, to: Timestamp| Filter {
        recorded_from: Some(from),
        recorded_before: Some(to),
        ..Filter::of(Tenant::default())
    };
    let next = Timestamp::from_micros(at.as_micros() + 1);
    assert!(agrees(&store, before, &all, range(at, next)).await >= 1);
    assert_eq!(agrees(&store, before, &all, range(at, at)).await, 0);
    assert_eq!(agrees(&store, before, &all, range(next, at)).await, 0);
}

/// A correlation that the caller did not give is the event's own id, and finds it.
pub async fn an_event_is_found_by_its_own_id_as_correlation(backend: &dyn Backend) {
    let mut dice = Dice::of(23);
    let (store, before, all) = given(backend, &mut dice).await;
    let bare = NewEvent::new("bare", "1");
    append(&store, one("sample-1", bare.clone())).await;
    let all = [all, log_after(&store, before).await.split_off(60)].concat();
    let filter = Filter::of(Tenant::default()).correlation(bare.id.to_string());
    assert_eq!(agrees(&store, before, &all, filter).await, 1);
}

/// Filters pass the same after the store was closed and opened.
pub async fn the_same_after_a_reopening(backend: &dyn Backend) {
    let mut dice = Dice::of(24);
    let (store, before, all) = given(backend, &mut dice).await;
    drop(store);
    backend.reopen().await;
    let store = backend.store(&Tenant::default()).await;
    for part in 0..PARTS {
        let mut filter = Filter::of(Tenant::default());
        narrow(&mut filter, part, &all, &mut dice);
        agrees(&store, before, &all, filter).await;
    }
}
