//! What release 0.1 has written opens for ever.
//!
//! `tests/fixtures/0.1` holds a log of format 1 as a kill left it: several full segments, one of them without its
//! summary, and an open one. Never make it anew: a change that needs that is a new format.

use std::path::{Path, PathBuf};

use gesta_core::{EventStore, ExpectedVersion, Metadata, NewEvent};
use gesta_file::FileStore;
use uuid::Uuid;

use crate::support::{self, everything, tiny};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/0.1")
}

fn event(number: u64) -> NewEvent {
    let metadata =
        Metadata { source: Some("fixture".into()), ..Metadata::default() }.with("n", &number.to_string());
    let data = format!(r#"{{"number":{number},"text":"{}"}}"#, "ä".repeat(number as usize % 20));
    NewEvent::new("fixture.written", data.into_bytes())
        .with_id(Uuid::from_u128(0x0197_0000_0000_7000_8000_0000_0000_0000 + u128::from(number)))
        .with_metadata(metadata)
}

fn stream(number: u64) -> gesta_core::StreamId {
    format!("fixture-{}", number % 3).parse().expect("legal")
}

/// Writes the fixture, once, when the release is made: `GESTA_WRITE_FIXTURE=1`.
async fn write() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = FileStore::open(dir.path(), tiny()).expect("opens");
    for number in (1..=40).step_by(2) {
        let batch = gesta_core::AppendBatch::to(
            stream(number),
            ExpectedVersion::Any,
            [event(number), event(number + 1)],
        );
        store.append(batch).await.expect("appends");
    }
    // The helper writes summaries behind the writer; a stop waits for it, and the meta of a kill is kept.
    let meta = std::fs::read(dir.path().join("meta")).expect("reads");
    store.close().await;
    std::fs::remove_dir_all(folder()).ok();
    support::copy(&dir.path().join("log"), &folder().join("log"));
    std::fs::write(folder().join("meta"), meta).expect("writes");
    std::fs::remove_file(folder().join("log/next.events")).ok();
    std::fs::remove_file(support::segments(&folder())[1].with_extension("summary")).expect("removes");
}

#[tokio::test]
async fn the_log_of_release_0_1_opens() {
    if std::env::var_os("GESTA_WRITE_FIXTURE").is_some() {
        write().await;
    }
    let copy = support::image(&folder());
    let store = FileStore::open(copy.path(), tiny()).expect("opens");
    let found = everything(&store).await.expect("reads");
    assert_eq!(found.len(), 40);
    for (recorded, number) in found.iter().zip(1..) {
        let first_of_pair = number - (number + 1) % 2;
        assert_eq!(recorded.position.get(), number);
        assert!(recorded.records(&stream(first_of_pair), &event(number)), "event {number}");
    }
    let next = store.append(support::batch(0, 1)).await.expect("appends");
    assert_eq!(next.events[0].position.get(), 41);
}
