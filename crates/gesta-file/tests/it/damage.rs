//! Bytes that are not what was written: refused by name, never served.

use std::{fs, path::PathBuf};

use futures_util::StreamExt;
use gesta_core::{EventStore, Filter, Position, ReadAll, ReadError, RecordedEvent};
use gesta_file::{FileStore, OpenError, Options};
use tempfile::TempDir;

use crate::{
    format,
    support::{self, append, edit, everything, image, image_without_witness, segments, tiny},
};

/// A log of several segments, stopped cleanly.
async fn stopped() -> (TempDir, Vec<RecordedEvent>) {
    let dir = tempfile::tempdir().expect("a folder");
    let store = FileStore::open(dir.path(), tiny()).expect("opens");
    append(&store, 0..60, 1).await;
    let events = everything(&store).await.expect("reads");
    store.close().await;
    (dir, events)
}

fn name(path: &std::path::Path) -> String {
    path.file_name().expect("a name").to_string_lossy().into_owned()
}

/// Reads from the start until something is refused.
async fn until_refused(store: &FileStore) -> (Vec<RecordedEvent>, Option<ReadError>) {
    let mut events = Vec::new();
    let mut read = store.read_all(ReadAll::of(Filter::everything()));
    while let Some(next) = read.next().await {
        match next {
            Ok(event) => events.push(event),
            Err(error) => return (events, Some(error)),
        }
    }
    (events, None)
}

#[tokio::test]
async fn a_flipped_bit_in_a_sealed_segment_refuses_that_read_and_no_other() {
    let (dir, events) = stopped().await;
    let path = segments(dir.path())[1].clone();
    let groups = format::read(&path);
    let inside = 64..groups.last().expect("a group").end;
    let (first, behind) = (groups[0].records[0].position, segments(dir.path())[2].clone());
    for at in inside.step_by(61) {
        let rotten = image(dir.path());
        let (path, behind) = (segments(rotten.path())[1].clone(), name(&behind));
        edit(&path, |bytes| bytes[at] ^= 1 << (at % 8));
        let store =
            FileStore::open(rotten.path(), tiny()).expect("a sealed segment is read when it is asked for");
        let (found, error) = until_refused(&store).await;
        assert_eq!(found, events[..found.len()], "altered at {at}");
        // A group's own frame is not needed to read its records; all else is noticed.
        let in_group_frame = groups.iter().any(|group| (group.at..group.at + 32).contains(&at));
        match error {
            Some(ReadError::Damaged { place, .. }) => assert!(place.contains(&name(&path)), "{place}"),
            None if in_group_frame => assert_eq!(found, events),
            other => panic!("byte {at}: {other:?}"),
        }
        let after: u64 = behind.strip_suffix(".events").expect("a segment").parse().expect("a number");
        assert!(first < after);
        let rest = ReadAll::of(Filter::everything()).after(Position::new(after - 1));
        let rest: Vec<_> = store.read_all(rest).map(|event| event.expect("undamaged")).collect().await;
        assert_eq!(rest, events[after as usize - 1..]);
    }
}

#[tokio::test]
async fn a_flipped_bit_before_the_last_group_of_the_open_segment_refuses_the_start() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = FileStore::open(dir.path(), Options::default()).expect("opens");
    append(&store, 0..6, 1).await;
    let killed = image_without_witness(dir.path());
    let path = segments(killed.path())[0].clone();
    let groups = format::read(&path);
    for at in (0..groups[5].at).step_by(29) {
        let rotten = image_without_witness(killed.path());
        let path = segments(rotten.path())[0].clone();
        edit(&path, |bytes| bytes[at] ^= 1 << (at % 8));
        let error = support::refused(rotten.path(), Options::default());
        let named = error.to_string().contains(&name(&path));
        assert!(
            named && matches!(error, OpenError::Damaged(_) | OpenError::NewerFormat { .. }),
            "{at}: {error}"
        );
    }
}

#[tokio::test]
async fn a_flipped_bit_in_meta_refuses_the_start() {
    let (dir, _) = stopped().await;
    for at in 0..48 {
        let rotten = image(dir.path());
        edit(&rotten.path().join("meta"), |bytes| bytes[at] ^= 1 << (at % 8));
        let error = support::refused(rotten.path(), tiny());
        assert!(error.to_string().contains("meta"), "{at}: {error}");
    }
}

/// Takes a file of the log away.
async fn without(choose: impl Fn(&TempDir) -> PathBuf) -> (TempDir, OpenError) {
    let (dir, _) = stopped().await;
    let path = choose(&dir);
    if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) }.expect("removes");
    let error = support::refused(dir.path(), tiny());
    (dir, error)
}

#[tokio::test]
async fn a_missing_segment_is_named() {
    for index in [0, 2] {
        let (_dir, error) = without(|dir| segments(dir.path())[index].clone()).await;
        assert!(
            matches!(&error, OpenError::Damaged(damage) if damage.to_string().contains("missing")),
            "{error}"
        );
    }
    let (_dir, error) = without(|dir| segments(dir.path()).pop().expect("the last")).await;
    assert!(matches!(error, OpenError::Cut { .. }), "{error}");
}

#[tokio::test]
async fn a_missing_meta_or_log_folder_is_named() {
    for part in ["meta", "log"] {
        let (dir, error) = without(|dir| dir.path().join(part)).await;
        let place = dir.path().join(part).display().to_string();
        assert!(matches!(&error, OpenError::Damaged(damage) if damage.place == place), "{error}");
    }
}

#[tokio::test]
async fn a_summary_is_made_anew_when_it_is_lost_or_illegible() {
    let (dir, events) = stopped().await;
    let summary = |dir: &TempDir, index: usize| segments(dir.path())[index].with_extension("summary");
    let whole: Vec<_> = (0..3).map(|index| fs::read(summary(&dir, index)).expect("a summary")).collect();
    fs::remove_file(summary(&dir, 0)).expect("removes");
    edit(&summary(&dir, 1), |bytes| bytes[30] ^= 1);
    edit(&summary(&dir, 2), |bytes| bytes.truncate(40));
    let store = FileStore::open(dir.path(), tiny()).expect("opens");
    assert_eq!(everything(&store).await.expect("reads"), events);
    store.close().await;
    for (index, whole) in whole.iter().enumerate() {
        assert_eq!(&fs::read(summary(&dir, index)).expect("a summary"), whole);
    }
}

#[tokio::test]
async fn a_segment_of_another_log_is_refused() {
    let ((dir, _), (other, _)) = (stopped().await, stopped().await);
    let (mine, theirs) =
        (segments(dir.path()).pop().expect("one"), segments(other.path()).pop().expect("one"));
    fs::copy(theirs, &mine).expect("copies");
    let error = support::refused(dir.path(), tiny());
    assert!(matches!(&error, OpenError::Damaged(damage) if damage.reason.contains("another")), "{error}");
}

#[tokio::test]
async fn a_newer_format_is_refused_by_its_number() {
    for part in ["meta", "log"] {
        let (dir, _) = stopped().await;
        let path =
            if part == "meta" { dir.path().join(part) } else { segments(dir.path()).pop().expect("one") };
        edit(&path, |bytes| bytes[8] = 2);
        let error = support::refused(dir.path(), tiny());
        assert!(matches!(error, OpenError::NewerFormat { found: 2, known: 1, .. }), "{error}");
    }
}
