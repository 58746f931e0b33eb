//! A second reader of the format, written from `docs/format.md` alone: what the store writes is what the page says.

use std::path::Path;

use crate::support;
use gesta_file::FileStore;
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

/// A group of a segment.
pub(crate) struct Group {
    /// Where its frame begins.
    pub(crate) at: usize,
    /// Where its last record ends.
    pub(crate) end: usize,
    pub(crate) records: Vec<Record>,
}

/// A record of a group.
pub(crate) struct Record {
    pub(crate) position: u64,
    pub(crate) last_of_batch: bool,
    /// Where its frame ends.
    pub(crate) end: usize,
    pub(crate) envelope: Vec<u8>,
}

/// Reads a whole segment and checks everything the page promises of it.
pub(crate) fn read(path: &Path) -> Vec<Group> {
    let bytes = std::fs::read(path).expect("reads the segment");
    assert_eq!(&bytes[..8], b"GESTALOG");
    assert_eq!(u32_at(&bytes, 8), 1);
    assert_eq!(xxh3_64(&bytes[..56]), u64_at(&bytes, 56));
    let seed = u64_at(&bytes, 16);
    let mut next = u64_at(&bytes, 32);
    let (mut at, mut groups) = (64, Vec::new());
    while at + 32 <= bytes.len() && bytes[at..at + 16] != [0; 16] {
        assert_eq!((u32_at(&bytes, at + 8), u32_at(&bytes, at + 12)), (16, 1), "a group frame at {at}");
        assert_eq!(u64_at(&bytes, at), xxh3_64_with_seed(&bytes[at + 8..at + 32], seed ^ at as u64));
        assert_eq!(u64_at(&bytes, at + 16), next);
        let end = at + 32 + u32_at(&bytes, at + 28) as usize;
        let mut group = Group { at, end, records: Vec::new() };
        let mut record = at + 32;
        while record < end {
            let (length, kind) = (u32_at(&bytes, record + 8) as usize, u32_at(&bytes, record + 12));
            let envelope = &bytes[record + 16..record + 16 + length];
            assert_eq!(u64_at(&bytes, record), xxh3_64(&bytes[record + 8..record + 16 + length]));
            assert_eq!((envelope[0], u64_at(envelope, 1)), (1, next));
            assert_eq!(kind & 0xFF, 2);
            record += 16 + length;
            let last_of_batch = kind & 0x100 != 0;
            group.records.push(Record {
                position: next,
                last_of_batch,
                end: record,
                envelope: envelope.into(),
            });
            next += 1;
        }
        assert_eq!(record, end);
        assert_eq!(u32_at(&bytes, at + 24) as usize, group.records.len());
        at = end;
        groups.push(group);
    }
    assert!(bytes[at..].iter().all(|byte| *byte == 0), "zeros behind the last group");
    groups
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"))
}

#[tokio::test]
async fn what_is_on_disk_is_what_the_page_says() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = FileStore::open(dir.path(), support::tiny()).expect("opens");
    support::append(&store, 0..60, 3).await;
    let events = support::everything(&store).await.expect("reads");
    store.close().await;

    let segments = support::segments(dir.path());
    assert!(segments.len() > 3, "{} segments", segments.len());
    let records: Vec<_> =
        segments.iter().flat_map(|path| read(path)).flat_map(|group| group.records).collect();
    assert_eq!(records.len(), events.len());
    for (record, event) in records.iter().zip(&events) {
        assert_eq!(record.position, event.position.get());
        assert!(record.envelope.ends_with(&event.data));
        assert_eq!(record.last_of_batch, event.position.get().is_multiple_of(3));
    }
}

#[tokio::test]
async fn a_summary_says_where_every_record_is() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = FileStore::open(dir.path(), support::tiny()).expect("opens");
    support::append(&store, 0..40, 1).await;
    store.close().await;
    for path in support::segments(dir.path()).iter().rev().skip(1) {
        let bytes = std::fs::read(path.with_extension("summary")).expect("every full segment has a summary");
        assert_eq!((&bytes[..8], u32_at(&bytes, 8)), (&b"GESTASUM"[..], 1));
        let head = &bytes[24..24 + u32_at(&bytes, 12) as usize];
        assert_eq!(xxh3_64(head), u64_at(&bytes, 16));
        let head: serde_json::Value = serde_json::from_slice(head).expect("JSON");
        assert_eq!(head["categories"], serde_json::json!(["thing"]));
        let offsets: Vec<_> = bytes[24 + u32_at(&bytes, 12) as usize..].chunks(4).collect();
        let ends: Vec<_> = read(path).into_iter().flat_map(|group| group.records).collect();
        assert_eq!(offsets.len(), ends.len());
        for (offset, record) in offsets.iter().zip(&ends) {
            assert_eq!(u32_at(offset, 0) as usize + 16 + record.envelope.len(), record.end);
        }
    }
}
