//! A backup under load holds a prefix of the log, a restored log is a new life of it, and damage is refused.

use std::{
    fs,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use gesta_core::{Checkpoint, CheckpointKey, EventStore, Position, Tenant, Version};
use gesta_file::{BackupError, FileStore, OpenError, backup, restore};

use crate::{
    support,
    written::{EVENTS, batch, clean, copied, files, logs, spoil, verified, written},
};

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_under_load_restores_to_a_prefix_of_the_log() {
    let dirs = tempfile::tempdir().expect("a folder");
    let (data, copy, again) = (dirs.path().join("data"), dirs.path().join("copy"), dirs.path().join("again"));
    let store = FileStore::open(&data, support::tiny()).expect("opens");
    let stop = Arc::new(AtomicBool::new(false));
    let writers: Vec<_> = (0..4)
        .map(|writer| {
            let (store, stop) = (store.clone(), stop.clone());
            tokio::spawn(async move {
                let mut appended = 0;
                while !stop.load(Ordering::Relaxed) || appended < 20 {
                    store.append(batch(writer * 1_000_000 + appended)).await.expect("appends");
                    appended += 1;
                }
            })
        })
        .collect();
    let processor = tokio::spawn(follow(store.clone(), stop.clone()));
    let mut wakeups = store.wakeups();
    while wakeups.latest() < Position::new(100) {
        wakeups.next().await;
    }
    let mut heads = Vec::new();
    for round in 0..5 {
        let least = store.head().await.expect("head").position;
        let (from, to) = (data.clone(), copy.join(round.to_string()));
        let copied = tokio::task::spawn_blocking(move || backup(from, to, &mut |_| {}));
        let copied = copied.await.expect("ends").expect("copies");
        assert!(copied.head >= least, "{} is behind {least}", copied.head);
        heads.push(copied.head);
    }
    stop.store(true, Ordering::Relaxed);
    for writer in writers {
        writer.await.expect("ends");
    }
    assert!(processor.await.expect("ends") > 5, "a checkpoint moved all the while");
    let original = support::everything(&store).await.expect("reads");
    let life = store.head().await.expect("head").incarnation;
    store.close().await;

    for (round, head) in heads.into_iter().enumerate() {
        let (from, to) = (copy.join(round.to_string()), again.join(round.to_string()));
        let report = verified(&from);
        assert!(report.is_clean(), "{:?}", report.findings);
        assert_eq!((report.head, report.checkpoints), (head, 1));
        let restored = restore(&from, &to, &mut |_| {}).expect("restores");
        assert_eq!(restored.head, head);
        clean(&to);

        let store = FileStore::open(&to, support::tiny()).expect("opens");
        assert_eq!(support::everything(&store).await.expect("reads"), original[..head.get() as usize]);
        let now = store.head().await.expect("head");
        assert_eq!(now.position, head);
        assert_ne!(now.incarnation, life, "a restored log is a new life");
        assert_eq!(now.incarnation, restored.incarnation);
        // It goes on where the backup ended.
        let appended = store.append(batch(9)).await.expect("appends");
        assert_eq!(appended.events[0].position, head.next());
        store.close().await;
        clean(&to);
    }
}

/// Saves a checkpoint at every head it sees, so that one copied after the segments would be ahead of them.
async fn follow(store: FileStore, stop: Arc<AtomicBool>) -> u64 {
    let key = CheckpointKey::new(Tenant::default(), "projection/all");
    let checkpoints = store.checkpoints();
    let claim = checkpoints.claim(&key, "me", Duration::from_secs(600)).await.expect("claims");
    let mut saved = 0;
    while !stop.load(Ordering::Relaxed) {
        let position = store.head().await.expect("head").position;
        let at = Checkpoint { position, ..Checkpoint::default() };
        checkpoints.save(&key, claim.epoch, at).await.expect("saves");
        saved += 1;
    }
    saved
}

#[tokio::test]
async fn a_restore_that_was_interrupted_left_no_log() {
    let dirs = tempfile::tempdir().expect("a folder");
    let (data, copy, again) = (dirs.path().join("data"), dirs.path().join("copy"), dirs.path().join("again"));
    written(&data).await;
    backup(&data, &copy, &mut |_| {}).expect("copies");
    restore(&copy, &again, &mut |_| {}).expect("restores");
    // What is there at any moment before the last.
    fs::remove_file(again.join("meta")).expect("removes");
    assert!(FileStore::open(&again, support::tiny()).is_err());
    assert!(!verified(&again).is_clean());
}

#[tokio::test]
async fn checkpoints_and_snapshots_come_back_under_the_new_life() {
    let dirs = tempfile::tempdir().expect("a folder");
    let (data, copy, again) = (dirs.path().join("data"), dirs.path().join("copy"), dirs.path().join("again"));
    written(&data).await;
    let copied = backup(&data, &copy, &mut |_| {}).expect("copies");
    assert_eq!(copied.head, Position::new(EVENTS));
    restore(&copy, &again, &mut |_| {}).expect("restores");
    let store = FileStore::open(&again, support::tiny()).expect("opens");
    let key = CheckpointKey::new(Tenant::default(), "projection/orders");
    let saved = store.checkpoints().load(&key).await.expect("loads");
    assert_eq!(saved.position, Position::new(EVENTS));
    let stream = "order-1".parse().expect("legal");
    let snapshot = store.snapshots().load(&Tenant::default(), &stream, "1").await.expect("loads");
    assert_eq!(snapshot.expect("is there").version, Version::new(20));
    store.close().await;

    // The state of the former life is not taken for that of the new one.
    fs::copy(data.join("state.db"), again.join("state.db")).expect("copies");
    let refused = FileStore::open(&again, support::tiny()).expect_err("is refused");
    assert!(matches!(refused, OpenError::Part { part: "state.db", .. }), "{refused}");
}

#[tokio::test]
async fn a_segment_of_another_life_is_refused() {
    let dirs = tempfile::tempdir().expect("a folder");
    let (data, copy, again) = (dirs.path().join("data"), dirs.path().join("copy"), dirs.path().join("again"));
    written(&data).await;
    backup(&data, &copy, &mut |_| {}).expect("copies");
    restore(&copy, &again, &mut |_| {}).expect("restores");
    let name = "log/00000000000000000001.events";
    fs::copy(data.join(name), again.join(name)).expect("copies");
    let report = verified(&again);
    assert!(report.findings.iter().any(|finding| finding.place.contains("00000000000000000001")));
}

#[tokio::test]
async fn nothing_is_overwritten_and_a_backup_is_no_data_folder() {
    let dirs = tempfile::tempdir().expect("a folder");
    let (data, copy) = (dirs.path().join("data"), dirs.path().join("copy"));
    written(&data).await;
    backup(&data, &copy, &mut |_| {}).expect("copies");
    assert!(matches!(backup(&data, &copy, &mut |_| {}), Err(BackupError::NotEmpty { .. })));
    assert!(matches!(restore(&copy, &data, &mut |_| {}), Err(BackupError::NotEmpty { .. })));
    let nothing = dirs.path().join("nothing");
    assert!(matches!(backup(&nothing, dirs.path().join("x"), &mut |_| {}), Err(BackupError::Nothing { .. })));
    assert!(matches!(restore(&data, dirs.path().join("y"), &mut |_| {}), Err(BackupError::Nothing { .. })));
    assert!(FileStore::open(&copy, support::tiny()).is_err(), "two logs would go on under one incarnation");
}

#[tokio::test]
async fn a_backup_of_an_empty_log_restores() {
    let dirs = tempfile::tempdir().expect("a folder");
    let (data, copy, again) = (dirs.path().join("data"), dirs.path().join("copy"), dirs.path().join("again"));
    let store = FileStore::open(&data, support::tiny()).expect("opens");
    assert_eq!(backup(&data, &copy, &mut |_| {}).expect("copies").head, Position::START);
    store.close().await;
    restore(&copy, &again, &mut |_| {}).expect("restores");
    let store = FileStore::open(&again, support::tiny()).expect("opens");
    store.append(batch(0)).await.expect("appends");
    store.close().await;
}

#[tokio::test]
async fn a_spoilt_backup_is_named_by_a_verification_and_refused_by_a_restore() {
    let dirs = tempfile::tempdir().expect("a folder");
    let (data, copy) = (dirs.path().join("data"), dirs.path().join("copy"));
    written(&data).await;
    backup(&data, &copy, &mut |_| {}).expect("copies");
    let mut spoilt = 0;
    for file in files(&copy) {
        let inside = file.strip_prefix(&copy).expect("is below").to_owned();
        let length = fs::metadata(&file).expect("is there").len() as usize;
        for (nth, at) in [0, length / 2, length - 1].into_iter().enumerate() {
            let broken = copied(&copy);
            match nth {
                2 => spoil(&broken.path().join(&inside), |bytes| bytes.truncate(at)),
                _ => spoil(&broken.path().join(&inside), |bytes| bytes[at] ^= 4),
            }
            let report = verified(broken.path());
            let name = inside.file_name().expect("has a name").to_string_lossy().into_owned();
            assert!(
                report.findings.iter().any(|finding| finding.place.contains(&name)),
                "{name} at {at}: {:?}",
                report.findings
            );
            let target = dirs.path().join(format!("again-{spoilt}"));
            assert!(restore(broken.path(), &target, &mut |_| {}).is_err(), "{name} at {at}");
            assert!(!target.join("meta").exists(), "nothing is made of it");
            spoilt += 1;
        }
    }
    assert!(spoilt > 20, "only {spoilt} were spoilt");
}

#[tokio::test]
async fn damage_is_not_backed_up() {
    let dirs = tempfile::tempdir().expect("a folder");
    let data = dirs.path().join("data");
    written(&data).await;
    let segments = logs(&data, ".events");
    assert!(segments.len() > 5, "{segments:?}");
    for (nth, file) in segments.into_iter().enumerate() {
        spoil(&file, |bytes| bytes[100] ^= 4);
        let target = dirs.path().join(nth.to_string());
        assert!(matches!(backup(&data, &target, &mut |_| {}), Err(BackupError::Damaged(_))));
        spoil(&file, |bytes| bytes[100] ^= 4);
    }
}
