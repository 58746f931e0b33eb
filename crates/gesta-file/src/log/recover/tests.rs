use std::fs;

use gesta_core::{AppendBatch, ExpectedVersion, NewEvent, Timestamp, Version};

use super::*;
use crate::append::Encoded;

const LIFE: Incarnation = Incarnation::from_bytes([9; 16]);
const FIRST: Position = Position::new(1);

/// A segment of groups, each of so many batches of two events.
struct Written {
    bytes: Vec<u8>,
    /// Where each group begins.
    groups: Vec<usize>,
    /// Where each batch ends.
    batches: Vec<usize>,
}

fn written(groups: &[usize]) -> Written {
    let header = Header { incarnation: LIFE, first: FIRST }.encode();
    let mut made = Written { bytes: header.to_vec(), groups: Vec::new(), batches: Vec::new() };
    let mut next = FIRST.get();
    for batches in groups {
        let (at, first) = (made.bytes.len(), Position::new(next));
        let (mut group, mut starts) = (vec![0; GROUP], Vec::new());
        for _ in 0..*batches {
            let events = [NewEvent::new("a", "1"), NewEvent::new("b", "{}")];
            let batch = AppendBatch::to("x-1".parse().expect("legal"), ExpectedVersion::Any, events);
            let versions = [Version::new(next), Version::new(next + 1)];
            let encoded = Encoded::of(&batch);
            encoded.place(&mut group, &mut starts, &versions, Position::new(next), Timestamp::default());
            next += 2;
            made.batches.push(at + group.len());
        }
        let extent = (group.len() - GROUP) as u32;
        frame::write_group(
            &mut group,
            Group { first, records: starts.len() as u32, extent },
            LIFE,
            at as u64,
        );
        made.groups.push(at);
        made.bytes.extend_from_slice(&group);
    }
    made
}

fn put(dir: &Path, bytes: &[u8], zeros: usize) {
    let mut bytes = bytes.to_vec();
    bytes.resize(bytes.len() + zeros, 0);
    fs::write(dir.join(segment::name(FIRST)), bytes).expect("writes");
}

#[test]
fn a_group_torn_at_any_byte_keeps_its_whole_batches() {
    let dir = tempfile::tempdir().expect("a folder");
    let written = written(&[1, 2, 3]);
    for cut in written.groups[2]..=written.bytes.len() {
        for zeros in [0, 5_000] {
            put(dir.path(), &written.bytes[..cut], zeros);
            let whole: Vec<_> = written.batches.iter().filter(|end| **end <= cut).collect();
            let found = find(dir.path(), FIRST, LIFE).expect("a torn group is no damage");
            assert_eq!(found.offsets.len(), whole.len() * 2, "cut at {cut}, {zeros} zeros");
            assert_eq!(found.end, **whole.last().expect("some") as u64);
        }
    }
}

#[test]
fn a_repaired_segment_is_whole() {
    let dir = tempfile::tempdir().expect("a folder");
    let written = written(&[1, 3]);
    for cut in (written.groups[1] + 1..written.bytes.len()).step_by(41) {
        put(dir.path(), &written.bytes[..cut], 5_000);
        let torn = find(dir.path(), FIRST, LIFE).expect("a torn group is no damage");
        torn.repair(LIFE).expect("repairs");
        let whole = find(dir.path(), FIRST, LIFE).expect("is whole");
        assert_eq!((&whole.offsets, whole.end, whole.torn_bytes()), (&torn.offsets, torn.end, 0));
        let bytes = fs::read(dir.path().join(segment::name(FIRST))).expect("reads");
        assert!(bytes[whole.end as usize..].iter().all(|byte| *byte == 0));
    }
}

#[test]
fn a_bit_flipped_before_the_last_group_is_damage() {
    let dir = tempfile::tempdir().expect("a folder");
    let written = written(&[1, 2, 1]);
    for at in 0..written.groups[2] {
        let mut bytes = written.bytes.clone();
        bytes[at] ^= 1 << (at % 8);
        put(dir.path(), &bytes, 100);
        assert!(find(dir.path(), FIRST, LIFE).is_err(), "byte {at}");
    }
}

#[test]
fn a_page_that_is_missing_before_the_last_group_is_damage() {
    let dir = tempfile::tempdir().expect("a folder");
    let written = written(&[2, 2, 1]);
    for at in (written.groups[0]..written.groups[2]).step_by(50) {
        let mut bytes = written.bytes.clone();
        bytes[at..written.groups[2].min(at + 200)].fill(0);
        put(dir.path(), &bytes, 100);
        assert!(find(dir.path(), FIRST, LIFE).is_err(), "from byte {at}");
    }
}

#[test]
fn a_group_of_another_place_is_damage() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut bytes = written(&[1, 1]).bytes;
    let at = bytes.len();
    let mut group = vec![0; GROUP];
    let other = Group { first: Position::new(77), records: 1, extent: 10 };
    frame::write_group(&mut group, other, LIFE, at as u64);
    bytes.extend_from_slice(&group);
    put(dir.path(), &bytes, 100);
    assert!(find(dir.path(), FIRST, LIFE).is_err());
}
