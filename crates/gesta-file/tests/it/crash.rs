//! Images of the folder as a crash may leave it.

use std::path::Path;

use gesta_core::EventStore;
use gesta_file::{FileStore, OpenError, Options};

use crate::{
    format::{self, Group},
    support::{self, append, edit, everything, image, image_without_witness, segments},
};

/// A store with some groups, the last of many batches, and an image of it as of a kill.
async fn killed() -> (tempfile::TempDir, Vec<gesta_core::RecordedEvent>) {
    let dir = tempfile::tempdir().expect("a folder");
    let store = FileStore::open(dir.path(), Options::default()).expect("opens");
    append(&store, 0..5, 2).await;
    let many = (5..25).map(|number| store.append(support::batch(number, 2)));
    futures_util::future::try_join_all(many).await.expect("appends");
    let events = everything(&store).await.expect("reads");
    (image_without_witness(dir.path()), events)
}

fn last_group(dir: &Path) -> Group {
    let last = segments(dir).pop().expect("a segment");
    format::read(&last).pop().expect("a group")
}

#[tokio::test]
async fn a_log_torn_in_its_last_group_opens_with_exactly_its_whole_batches() {
    let (killed, events) = killed().await;
    let group = last_group(killed.path());
    let before = group.records[0].position - 1;
    let ends: Vec<_> = group.records.iter().map(|record| record.end).collect();
    let near_ends = ends.iter().flat_map(|end| [end - 1, *end, end + 1, end + 17]);
    let mut cuts: Vec<_> =
        [group.at, group.at + 1, group.at + 31, group.at + 32].into_iter().chain(near_ends).collect();
    cuts.retain(|cut| *cut <= group.end);
    for (number, cut) in cuts.into_iter().enumerate() {
        let torn = image_without_witness(killed.path());
        let path = segments(torn.path()).pop().expect("a segment");
        // Either the rest never reached the disk, or the file is shorter.
        edit(&path, |bytes| if number % 2 == 0 { bytes[cut..].fill(0) } else { bytes.truncate(cut) });
        let mut whole = group.records.iter().filter(|record| record.last_of_batch && record.end <= cut);
        let head = whole.next_back().map_or(before, |record| record.position);

        let store = FileStore::open(torn.path(), Options::default()).expect("a torn tail is no damage");
        let found = everything(&store).await.expect("reads");
        assert_eq!(found, events[..head as usize], "cut at {cut} of {} to {}", group.at, group.end);
        let next = store.append(support::batch(99, 2)).await.expect("appends");
        assert_eq!(next.events[0].position.get(), head + 1);
        store.close().await;
        let groups = segments(torn.path()).into_iter().flat_map(|path| format::read(&path));
        assert_eq!(groups.flat_map(|group| group.records).count() as u64, head + 2);
    }
}

#[tokio::test]
async fn any_page_of_the_last_group_may_be_missing() {
    let (killed, events) = killed().await;
    let group = last_group(killed.path());
    for hole in (group.at..group.end).step_by(97) {
        let torn = image_without_witness(killed.path());
        let path = segments(torn.path()).pop().expect("a segment");
        edit(&path, |bytes| bytes[hole..group.end.min(hole + 512)].fill(0));
        let store = FileStore::open(torn.path(), Options::default()).expect("a torn tail is no damage");
        let found = everything(&store).await.expect("reads");
        assert!(found.len() >= group.records[0].position as usize - 1);
        assert!(found.len().is_multiple_of(2), "half a batch is there");
        assert_eq!(found, events[..found.len()]);
    }
}

#[tokio::test]
async fn an_opened_tail_is_opened_again_the_same_after_another_kill() {
    let (killed, _) = killed().await;
    let group = last_group(killed.path());
    let path = segments(killed.path()).pop().expect("a segment");
    edit(&path, |bytes| bytes[group.end - 5..].fill(0));
    let store = FileStore::open(killed.path(), Options::default()).expect("opens");
    let events = everything(&store).await.expect("reads");
    let again = image(killed.path());
    drop(store);
    let store = FileStore::open(again.path(), Options::default()).expect("opens again");
    assert_eq!(everything(&store).await.expect("reads"), events);
}

#[tokio::test]
async fn a_cut_below_what_the_index_knows_is_refused() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = FileStore::open(dir.path(), Options::default()).expect("opens");
    append(&store, 0..5, 2).await;
    while store.status().index_watermark < store.status().head {
        tokio::task::yield_now().await;
    }
    let cut = image(dir.path());
    let group = last_group(cut.path());
    edit(&segments(cut.path())[0], |bytes| bytes[group.at..].fill(0));
    let error = support::refused(cut.path(), Options::default());
    assert!(matches!(error, OpenError::Cut { witness: "the index", .. }), "{error}");
}

#[tokio::test]
async fn a_cut_below_the_mark_of_a_clean_stop_is_refused() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = FileStore::open(dir.path(), Options::default()).expect("opens");
    append(&store, 0..5, 2).await;
    store.close().await;
    let cut = image_without_witness(dir.path());
    let group = last_group(cut.path());
    edit(&segments(cut.path())[0], |bytes| bytes[group.end - 1] ^= 1);
    let error = support::refused(cut.path(), Options::default());
    assert!(matches!(error, OpenError::Cut { known, .. } if known.get() == 10), "{error}");
}

#[tokio::test]
async fn a_segment_that_was_only_named_or_only_begun_is_used() {
    let (killed, events) = killed().await;
    let next = killed.path().join("log").join(format!("{:020}.events", events.len() + 1));
    for torn_header in [&[][..], &b"GESTALOG\x01"[..]] {
        let mut blank = vec![0; 64 << 10];
        blank[..torn_header.len()].copy_from_slice(torn_header);
        std::fs::write(&next, blank).expect("writes");
        let store = FileStore::open(killed.path(), Options::default()).expect("opens");
        assert_eq!(everything(&store).await.expect("reads"), events);
        store.close().await;
        std::fs::remove_file(&next).expect("removes");
    }
}

#[tokio::test]
async fn kills_between_tiny_segments_lose_nothing() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut store = FileStore::open(dir.path(), support::tiny()).expect("opens");
    let mut folders = vec![dir];
    for round in 0..6 {
        append(&store, round * 20..round * 20 + 20, 2).await;
        let killed = image(folders[round].path());
        store = FileStore::open(killed.path(), support::tiny()).expect("opens");
        folders.push(killed);
        let events = everything(&store).await.expect("reads");
        assert_eq!(events.len(), (round + 1) * 40);
        assert!(events.iter().enumerate().all(|(at, event)| event.position.get() == at as u64 + 1));
    }
}
