use std::fs;

use gesta_core::{NewEvent, StreamId, Tenant, Timestamp, Version, encode_envelope};
use uuid::Uuid;

use super::*;
use crate::{
    index::{Entry, Index},
    log::{
        frame::{self, FRAME, GROUP, Group},
        header::{HEADER, Header},
        segment,
    },
};

const LIFE: Incarnation = Incarnation::from_bytes([5; 16]);

/// An event of a hand-made log: its id, stream and version.
type Given = (u128, &'static str, u64);

fn stream(name: &str) -> StreamId {
    name.parse().expect("legal")
}

/// Writes a log of one group that holds exactly these events, lawful or not.
fn written(dir: &Path, events: &[Given]) {
    fs::create_dir(dir.join("log")).expect("makes");
    let mut group = vec![0; GROUP];
    for (position, (id, name, version)) in (1u64..).zip(events) {
        let event = NewEvent::new("x.happened", "{}").with_id(Uuid::from_u128(*id));
        let mut record = vec![0; FRAME];
        let (version, position) = (Version::new(*version), Position::new(position));
        let at = Timestamp::from_micros(1);
        encode_envelope(&mut record, &Tenant::default(), &stream(name), version, position, at, &event);
        frame::begin_record(&mut record, true);
        frame::seal_record(&mut record);
        group.extend(record);
    }
    let first = Position::new(1);
    let (records, extent) = (events.len() as u32, (group.len() - GROUP) as u32);
    frame::write_group(&mut group, Group { first, records, extent }, LIFE, HEADER as u64);
    let bytes = [&Header { incarnation: LIFE, first }.encode()[..], &group].concat();
    fs::write(dir.join("log").join(segment::name(first)), bytes).expect("writes");
    let head = Position::new(events.len() as u64);
    Meta { incarnation: LIFE, head, clean: true }.write(dir).expect("writes");
}

/// Gives the folder an index of these events, lawful or not.
fn indexed(dir: &Path, events: &[Given]) {
    let index = Index::open(&dir.join("index"), LIFE, Position::START).expect("opens");
    let entries: Vec<_> = (1u64..)
        .zip(events)
        .map(|(position, (id, name, version))| Entry {
            position: Position::new(position),
            tenant: Tenant::default(),
            stream: stream(name),
            version: Version::new(*version),
            id: Uuid::from_u128(*id),
            correlation: None,
        })
        .collect();
    index.apply(&entries).expect("applies");
}

fn findings(log: &[Given], index: Option<&[Given]>) -> String {
    let dir = tempfile::tempdir().expect("a folder");
    written(dir.path(), log);
    if let Some(index) = index {
        indexed(dir.path(), index);
    }
    let report = verify(dir.path(), &mut |_| {}).expect("can be looked at");
    assert_eq!(report.events, log.len() as u64);
    report.findings.iter().map(|finding| format!("{finding}\n")).collect()
}

const LAWFUL: [Given; 4] = [(1, "a-1", 1), (2, "a-1", 2), (3, "b-1", 1), (4, "a-1", 3)];

#[test]
fn a_lawful_log_has_no_findings_with_an_index_or_without() {
    assert_eq!(findings(&LAWFUL, Some(&LAWFUL)), "");
    assert_eq!(findings(&LAWFUL, None), "");
}

#[test]
fn an_id_that_comes_twice_is_named_with_both_places() {
    let twice = [(1, "a-1", 1), (2, "a-1", 2), (1, "b-1", 1)];
    for index in [None, Some(&twice[..])] {
        let found = findings(&twice, index);
        let id = Uuid::from_u128(1);
        assert!(found.contains(&format!("id {id} is that of position 3 and of 1")), "{found}");
    }
}

#[test]
fn a_gap_in_a_streams_versions_is_named() {
    let gap = [(1, "a-1", 1), (2, "b-1", 1), (3, "a-1", 3)];
    for index in [None, Some(&gap[..])] {
        let found = findings(&gap, index);
        assert!(found.contains("stream a-1 of tenant default goes from version 1 to 3"), "{found}");
    }
}

#[test]
fn a_version_that_comes_twice_is_noticed() {
    let twice = [(1, "a-1", 1), (2, "a-1", 1)];
    assert_ne!(findings(&twice, None), "");
    let backwards = [(1, "a-1", 2), (2, "a-1", 1)];
    assert_ne!(findings(&backwards, None), "");
}

#[test]
fn an_index_that_swaps_two_places_is_noticed_though_it_counts_as_many() {
    let ids = [(2, "a-1", 1), (1, "a-1", 2), (3, "b-1", 1), (4, "a-1", 3)];
    let streams = [(1, "b-1", 1), (2, "a-1", 1), (3, "a-1", 2), (4, "a-1", 3)];
    for (swapped, part) in [(ids, "its ids (4)"), (streams, "its streams (4)")] {
        let found = findings(&LAWFUL, Some(&swapped));
        assert!(found.starts_with("index: ") && found.contains(part), "{found}");
        assert!(!found.contains("log: "), "the log itself is whole: {found}");
    }
}
