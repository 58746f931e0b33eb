//! A data folder with a known log in it, and ways to look at and spoil its files.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use bytes::Bytes;
use gesta_core::{
    AppendBatch, Checkpoint, CheckpointKey, EventStore, ExpectedVersion, NewEvent, Position, Snapshot,
    Tenant, Version,
};
use gesta_file::{FileStore, Report, verify};

use crate::support;

/// How many events [`written`] writes.
pub(crate) const EVENTS: u64 = 300;

/// A batch of three events, the third of another stream.
pub(crate) fn batch(n: u64) -> AppendBatch {
    let stream = |name: String| name.parse().expect("legal");
    let event = |kind: &str| NewEvent::new(format!("order.{kind}"), format!("{{\"batch\":{n}}}"));
    AppendBatch::to(
        stream(format!("order-{}", n % 7)),
        ExpectedVersion::Any,
        [event("placed"), event("paid")],
    )
    .and(stream(format!("item-{}", n % 50)), ExpectedVersion::Any, [event("taken")])
}

/// A stopped store of many small segments with 300 events, a checkpoint at the last one, and a snapshot.
pub(crate) async fn written(dir: &Path) {
    let store = FileStore::open(dir, support::tiny()).expect("opens");
    for n in 0..EVENTS / 3 {
        store.append(batch(n)).await.expect("appends");
    }
    let key = CheckpointKey::new(Tenant::default(), "projection/orders");
    let checkpoints = store.checkpoints();
    let claim = checkpoints.claim(&key, "me", Duration::from_secs(30)).await.expect("claims");
    let state = Bytes::from_static(b"a state that is long enough to be found in the file");
    let saved = Checkpoint { position: Position::new(EVENTS), state };
    checkpoints.save(&key, claim.epoch, saved).await.expect("saves");
    let state = Bytes::from_static(b"a folded order");
    let snapshot = Snapshot { version: Version::new(20), fingerprint: "1".into(), state };
    store
        .snapshots()
        .save(&Tenant::default(), &"order-1".parse().expect("legal"), snapshot)
        .await
        .expect("saves");
    store.close().await;
}

/// What a verification says.
pub(crate) fn verified(dir: &Path) -> Report {
    verify(dir, &mut |_| {}).expect("can be looked at")
}

/// A verification that finds nothing.
#[track_caller]
pub(crate) fn clean(dir: &Path) {
    let report = verified(dir);
    assert!(report.is_clean(), "{:?}", report.findings);
}

/// The segments of a log that hold something, or their summaries.
pub(crate) fn logs(dir: &Path, ending: &str) -> Vec<PathBuf> {
    let named = |file: &PathBuf| {
        let name = file.file_name().expect("has a name").to_string_lossy();
        name.ends_with(ending) && name != "next.events"
    };
    files(&dir.join("log")).into_iter().filter(named).collect()
}

/// The files below a folder, by name.
pub(crate) fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![dir.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("lists") {
            let path = entry.expect("lists").path();
            if path.is_dir() { folders.push(path) } else { found.push(path) }
        }
    }
    found.sort();
    found
}

/// A copy of a folder.
pub(crate) fn copied(from: &Path) -> tempfile::TempDir {
    let to = tempfile::tempdir().expect("a folder");
    for file in files(from) {
        let target = to.path().join(file.strip_prefix(from).expect("is below"));
        fs::create_dir_all(target.parent().expect("has a folder")).expect("makes");
        fs::copy(&file, target).expect("copies");
    }
    to
}

/// Changes the bytes of a file.
pub(crate) fn spoil(file: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = fs::read(file).expect("reads");
    change(&mut bytes);
    fs::write(file, bytes).expect("writes");
}

/// The place of some bytes in a file.
pub(crate) fn place(file: &Path, of: &[u8]) -> usize {
    let bytes = fs::read(file).expect("reads");
    bytes.windows(of.len()).position(|some| some == of).expect("the file holds them")
}
