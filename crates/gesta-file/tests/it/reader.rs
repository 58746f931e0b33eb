//! Reading a folder beside whoever has it open: whole, in order, and never what is not durable.

use std::{fs, path::Path, time::Duration};

use gesta_core::{Checkpoint, CheckpointKey, EventStore, Position, ReadError, RecordedEvent, Tenant};
use gesta_file::{FileStore, FolderReader, OpenError, Options, backup};

use crate::{
    format,
    support::{self, append, edit, everything, image, image_without_witness, segments},
};

/// Everything that can be read, in runs of about `run`.
fn read_on(reader: &mut FolderReader, after: Position, run: usize) -> Result<Vec<RecordedEvent>, ReadError> {
    let mut found: Vec<RecordedEvent> = Vec::new();
    loop {
        let more = reader.read(found.last().map_or(after, |last| last.position), run)?;
        if more.is_empty() {
            return Ok(found);
        }
        found.extend(more);
    }
}

async fn filled(dir: &Path, options: Options) -> (FileStore, Vec<RecordedEvent>) {
    let store = FileStore::open(dir, options).expect("opens");
    append(&store, 0..60, 3).await;
    let events = everything(&store).await.expect("reads");
    (store, events)
}

#[tokio::test]
async fn a_reader_beside_a_store_reads_what_the_store_reads() {
    for options in [support::tiny(), Options::default()] {
        let dir = tempfile::tempdir().expect("a folder");
        let (store, mut events) = filled(dir.path(), options.clone()).await;
        let mut reader = FolderReader::open(dir.path()).expect("a log");
        assert_eq!(read_on(&mut reader, Position::START, 7).expect("reads"), events);
        for after in [1, 2, 100, 179, 180, 500] {
            let rest = read_on(&mut reader, Position::new(after), 1_000).expect("reads");
            assert_eq!(rest, events[events.len().min(after as usize)..], "behind {after}");
        }
        assert_eq!(reader.head().expect("reads").get(), 180);

        // It goes on where it was, over any number of new segments.
        append(&store, 60..90, 3).await;
        events = everything(&store).await.expect("reads");
        assert_eq!(read_on(&mut reader, Position::new(180), 5).expect("reads"), events[180..]);
        assert_eq!(reader.incarnation(), store.head().await.expect("tells").incarnation);
        store.close().await;
        assert_eq!(read_on(&mut reader, Position::START, 1_000).expect("reads"), events);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_under_load_sees_each_position_once_and_in_order() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = FileStore::open(dir.path(), support::tiny()).expect("opens");
    append(&store, 0..1, 1).await;
    let path = dir.path().to_owned();
    let reading = tokio::task::spawn_blocking(move || {
        let mut reader = FolderReader::open(path).expect("a log");
        let mut found: Vec<RecordedEvent> = Vec::new();
        while found.len() < 1_501 {
            let after = found.last().map_or(Position::START, |last| last.position);
            found.extend(reader.read(after, 50).expect("a log under load is not damaged"));
        }
        found
    });
    let writers = (0..5).map(|writer| {
        let store = store.clone();
        tokio::spawn(async move { append(&store, writer * 100..writer * 100 + 100, 3).await })
    });
    futures_util::future::join_all(writers).await;
    let found = reading.await.expect("ends");
    assert_eq!(found, everything(&store).await.expect("reads"));
}

#[tokio::test]
async fn a_folder_is_held_by_one_at_a_time() {
    let dir = tempfile::tempdir().expect("a folder");
    assert!(matches!(FolderReader::open(dir.path()), Err(OpenError::Nothing { .. })));
    let (store, _) = filled(dir.path(), support::tiny()).await;
    let mut reader = FolderReader::open(dir.path()).expect("a log");
    assert!(!reader.hold().expect("looks"), "the store has it");
    store.close().await;
    assert!(reader.hold().expect("looks") && reader.hold().expect("has it"));
    assert!(matches!(support::refused(dir.path(), support::tiny()), OpenError::InUse { .. }));
    drop(reader);
    FileStore::open(dir.path(), support::tiny()).expect("opens").close().await;
}

#[tokio::test]
async fn checkpoints_are_read_beside_their_owner() {
    let dir = tempfile::tempdir().expect("a folder");
    let (store, _) = filled(dir.path(), support::tiny()).await;
    let reader = FolderReader::open(dir.path()).expect("a log");
    assert_eq!(reader.checkpoints(None, 10).expect("lists"), []);
    for (name, position) in [("group/b", 5), ("group/a", 180)] {
        let key = CheckpointKey::new(Tenant::default(), name);
        let claim = store.checkpoints().claim(&key, "o", Duration::from_secs(60)).await.expect("free");
        let saved = Checkpoint { position: Position::new(position), state: "state".into() };
        store.checkpoints().save(&key, claim.epoch, saved).await.expect("saved");
    }
    let listed = store.checkpoints().list(None, 10).await.expect("lists");
    assert_eq!(listed.len(), 2);
    assert_eq!(reader.checkpoints(None, 10).expect("lists"), listed);
    assert_eq!(reader.checkpoints(Some(&listed[0].key), 10).expect("lists"), listed[1..]);
}

#[tokio::test]
async fn what_a_crash_has_torn_is_left_out() {
    let dir = tempfile::tempdir().expect("a folder");
    let (_store, events) = filled(dir.path(), Options::default()).await;
    let last = |dir: &Path| segments(dir).pop().expect("a segment");
    let group = format::read(&last(dir.path())).pop().expect("a group");
    for cut in [group.at, group.at + 1, group.at + 31, group.at + 32, group.end - 1] {
        let torn = image_without_witness(dir.path());
        edit(&last(torn.path()), |bytes| bytes[cut..].fill(0));
        let mut reader = FolderReader::open(torn.path()).expect("a log");
        let read = read_on(&mut reader, Position::START, 50).expect("a torn tail is no damage");
        assert_eq!(read, events[..177], "cut at {cut}");
        let copy = tempfile::tempdir().expect("a folder");
        let copied = backup(torn.path(), copy.path(), &mut |_| {}).expect("a torn tail is no damage");
        assert_eq!(copied.head.get(), 177, "cut at {cut}");
    }
}

#[tokio::test]
async fn damage_is_refused_and_never_read_over() {
    let dir = tempfile::tempdir().expect("a folder");
    let (store, _) = filled(dir.path(), support::tiny()).await;
    store.close().await;
    let all = segments(dir.path());
    let damaged = |spoil: &dyn Fn(&Path)| {
        let image = image(dir.path());
        spoil(image.path());
        let mut reader = FolderReader::open(image.path()).expect("a log");
        let read = read_on(&mut reader, Position::START, 20);
        assert!(matches!(read, Err(ReadError::Damaged { .. })), "{read:?}");
    };
    let in_image = |image: &Path, path: &Path| image.join("log").join(path.file_name().expect("a name"));
    for (nth, path) in all.iter().enumerate() {
        let group = format::read(path).remove(0);
        damaged(&|image| edit(&in_image(image, path), |bytes| bytes[group.at + 40] ^= 1));
        damaged(&|image| edit(&in_image(image, path), |bytes| bytes[20] ^= 1));
        if nth + 1 < all.len() {
            damaged(&|image| fs::remove_file(in_image(image, path)).expect("removed"));
        }
    }
    // The end is missing, which only the mark of the last stop can tell.
    damaged(&|image| fs::remove_file(in_image(image, all.last().expect("some"))).expect("removed"));
    damaged(&|image| {
        let path = in_image(image, all.last().expect("some"));
        let last = format::read(&path).pop().expect("a group");
        edit(&path, |bytes| bytes[last.at..].fill(0));
    });
}
