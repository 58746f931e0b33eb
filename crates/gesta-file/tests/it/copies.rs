//! What only a copy on disk can do wrong: half a run after a crash, a race with those who append.

use gesta_core::{CopyError, CopyTarget, EventStore, MemoryStore, RecordedEvent};
use gesta_file::{FileStore, Options};

use crate::{
    format,
    support::{self, batch, edit, everything, image_without_witness, segments},
};

/// What another store has recorded.
async fn recorded(count: usize) -> Vec<RecordedEvent> {
    use futures_util::TryStreamExt;
    let source = MemoryStore::new();
    for number in 0..count {
        source.append(batch(number, 1)).await.expect("appends");
    }
    let all = gesta_core::ReadAll::of(gesta_core::Filter::everything());
    source.read_all(all).try_collect().await.expect("reads")
}

#[tokio::test]
async fn a_run_that_a_crash_has_torn_leaves_nothing_and_is_copied_again() {
    let events = recorded(60).await;
    let dir = tempfile::tempdir().expect("a folder");
    let store = FileStore::open(dir.path(), Options::default()).expect("opens");
    for run in events.chunks(20) {
        store.append_recorded(run.to_vec()).await.expect("goes on");
    }
    let last = |dir: &std::path::Path| segments(dir).pop().expect("a segment");
    let group = format::read(&last(dir.path())).pop().expect("a group");
    assert_eq!(group.records.len(), 20, "a run is a group");
    let ends = group.records.iter().map(|record| record.end);
    for cut in ends.flat_map(|end| [end - 1, end]).filter(|cut| *cut < group.end) {
        let torn = image_without_witness(dir.path());
        edit(&last(torn.path()), |bytes| bytes[cut..].fill(0));
        let store = FileStore::open(torn.path(), Options::default()).expect("a torn tail is no damage");
        assert_eq!(everything(&store).await.expect("reads"), events[..40], "cut at {cut}");
        store.append_recorded(events[40..].to_vec()).await.expect("goes on");
        assert_eq!(everything(&store).await.expect("reads"), events);
        store.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_copy_and_an_append_at_once_each_is_whole_or_refused() {
    let events = recorded(40).await;
    for _ in 0..20 {
        let dir = tempfile::tempdir().expect("a folder");
        let store = FileStore::open(dir.path(), support::tiny()).expect("opens");
        let copying = {
            let (store, events) = (store.clone(), events.clone());
            tokio::spawn(async move {
                let mut taken = 0;
                for run in events.chunks(4) {
                    match store.append_recorded(run.to_vec()).await {
                        Ok(head) => taken = head.get(),
                        Err(CopyError::Position { .. }) => break,
                        Err(other) => panic!("{other}"),
                    }
                }
                usize::try_from(taken).expect("few")
            })
        };
        let appended = store.append(batch(99, 3)).await.expect("appends").last().position;
        let taken = copying.await.expect("ends");
        let found = everything(&store).await.expect("reads");
        assert_eq!(found[..taken], events[..taken]);
        assert_eq!(found.len(), taken + 3, "half a run is there");
        assert_eq!(appended.get() as usize, taken + 3);
        store.close().await;
    }
}

#[tokio::test]
async fn runs_as_large_as_they_may_be_are_taken_and_opened_again() {
    let mut events = recorded(5_000).await;
    for event in &mut events {
        event.data = vec![b'x'; 1_500].into();
    }
    let dir = tempfile::tempdir().expect("a folder");
    let store = FileStore::open(dir.path(), Options::default().without_sync()).expect("opens");
    let head = store.append_recorded(events.clone()).await.expect("within the limits");
    assert_eq!(head.get(), 5_000);
    store.close().await;
    let store = FileStore::open(dir.path(), Options::default()).expect("opens again");
    assert_eq!(everything(&store).await.expect("reads"), events);
}
