//! Every kind of damage is found and named, and a log without any has no findings.

use std::fs;

use gesta_core::Position;
use gesta_file::{FileStore, Report, verify};

use crate::{
    support,
    written::{EVENTS, batch, clean, copied, files, logs, place, spoil, verified, written},
};

fn names(report: &Report, place: &str) -> bool {
    report.findings.iter().any(|finding| finding.place.contains(place))
}

#[tokio::test]
async fn a_log_without_damage_has_no_findings() {
    let dir = tempfile::tempdir().expect("a folder");
    written(dir.path()).await;
    let mut last = None;
    let report = verify(dir.path(), &mut |progress| last = Some(progress)).expect("can be looked at");
    assert!(report.is_clean(), "{:?}", report.findings);
    assert_eq!((report.events, report.head), (EVENTS, Position::new(EVENTS)));
    assert_eq!((report.streams, report.checkpoints, report.snapshots), (57, 1, 1));
    assert!(report.segments > 5 && report.torn_bytes == 0, "{report:?}");
    assert!(last.is_some_and(|progress| progress.done == progress.total));
    // It changed nothing: the store goes on, and still has no findings.
    let store = FileStore::open(dir.path(), support::tiny()).expect("opens");
    gesta_core::EventStore::append(&store, batch(1)).await.expect("appends");
    store.close().await;
    clean(dir.path());
}

#[tokio::test]
async fn a_lost_index_or_summary_is_no_damage() {
    let dir = tempfile::tempdir().expect("a folder");
    written(dir.path()).await;
    fs::remove_dir_all(dir.path().join("index")).expect("removes");
    for summary in logs(dir.path(), ".summary") {
        fs::remove_file(summary).expect("removes");
    }
    let report = verified(dir.path());
    assert!(report.is_clean(), "{:?}", report.findings);
    assert_eq!((report.events, report.streams), (EVENTS, 57));
}

#[tokio::test]
async fn a_folder_in_use_is_not_looked_at() {
    let dir = tempfile::tempdir().expect("a folder");
    let _store = FileStore::open(dir.path(), support::tiny()).expect("opens");
    assert!(verify(dir.path(), &mut |_| {}).is_err());
}

#[tokio::test]
async fn a_flipped_bit_anywhere_in_a_segment_is_found_and_named() {
    let dir = tempfile::tempdir().expect("a folder");
    written(dir.path()).await;
    let segments = logs(dir.path(), ".events");
    let mut spoilt = 0;
    for (nth, segment) in segments.iter().enumerate() {
        let name = segment.file_name().expect("has a name").to_string_lossy().into_owned();
        let length = fs::metadata(segment).expect("is there").len() as usize;
        // Every segment somewhere else, the first and the last at many places.
        let step = if nth == 0 || nth + 1 == segments.len() { length / 9 } else { length / 2 - 7 };
        for at in (3 + nth..length).step_by(step) {
            spoil(segment, |bytes| bytes[at] ^= 0x10);
            let report = verified(dir.path());
            assert!(names(&report, &name), "byte {at} of {name}: {:?}", report.findings);
            spoil(segment, |bytes| bytes[at] ^= 0x10);
            spoilt += 1;
        }
    }
    assert!(spoilt > 25, "only {spoilt} bits were flipped");
    clean(dir.path());
}

#[tokio::test]
async fn a_cut_or_missing_segment_is_found_and_named() {
    let dir = tempfile::tempdir().expect("a folder");
    written(dir.path()).await;
    let segments = logs(dir.path(), ".events");
    for segment in [&segments[0], &segments[3], segments.last().expect("some")] {
        let whole = fs::read(segment).expect("reads");
        let used = whole.iter().rposition(|byte| *byte != 0).expect("is not empty");
        fs::write(segment, &whole[..used - 40]).expect("cuts");
        let report = verified(dir.path());
        assert!(!report.is_clean(), "{}", segment.display());
        fs::remove_file(segment).expect("removes");
        assert!(!verified(dir.path()).is_clean(), "{}", segment.display());
        fs::write(segment, whole).expect("writes");
    }
    clean(dir.path());
}

#[tokio::test]
async fn damage_to_what_stands_beside_the_log_is_found_and_named() {
    let dir = tempfile::tempdir().expect("a folder");
    written(dir.path()).await;

    let meta = copied(dir.path());
    spoil(&meta.path().join("meta"), |bytes| bytes[20] ^= 1);
    assert!(names(&verified(meta.path()), "meta"));
    fs::remove_file(meta.path().join("meta")).expect("removes");
    assert!(names(&verified(meta.path()), "meta"));

    let summary = copied(dir.path());
    for file in logs(summary.path(), ".summary") {
        for at in [30, fs::metadata(&file).expect("is there").len() as usize - 3] {
            spoil(&file, |bytes| bytes[at] ^= 1);
            assert!(names(&verified(summary.path()), ".summary"), "byte {at} of {}", file.display());
            spoil(&file, |bytes| bytes[at] ^= 1);
        }
    }

    let state = copied(dir.path());
    let file = state.path().join("state.db");
    let at = place(&file, b"long enough to be found");
    spoil(&file, |bytes| bytes[at] ^= 1);
    assert!(names(&verified(state.path()), "state.db"));
    spoil(&file, |bytes| bytes[..100].fill(0x55));
    assert!(names(&verified(state.path()), "state.db"));
    fs::write(&file, b"no database at all, but long enough to be looked at as if it were one, is it not")
        .expect("writes");
    assert!(names(&verified(state.path()), "state.db"));
}

#[tokio::test]
async fn an_index_that_is_not_the_logs_is_found_and_named() {
    let (dir, other) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
    written(dir.path()).await;
    written(other.path()).await;
    let mut found = 0;
    for file in files(&dir.path().join("index")) {
        let spoilt = copied(dir.path());
        let here = spoilt.path().join(file.strip_prefix(dir.path()).expect("is below"));
        let length = fs::metadata(&here).expect("is there").len();
        if length == 0 {
            continue;
        }
        spoil(&here, |bytes| bytes.iter_mut().for_each(|byte| *byte = !*byte));
        let report = verified(spoilt.path());
        // A file the index does not need is none the worse; the log itself is always found whole.
        found += usize::from(names(&report, "index"));
        assert!(!names(&report, "log"), "{:?}", report.findings);
        assert_eq!(report.events, EVENTS);
    }
    assert!(found > 1, "{found} damaged files were found");
    fs::remove_dir_all(dir.path().join("index")).expect("removes");
    fs::rename(other.path().join("index"), dir.path().join("index")).expect("swaps");
    assert!(names(&verified(dir.path()), "index"), "the index of another log");
}

#[tokio::test]
async fn a_log_cut_below_what_index_and_checkpoints_vouch_for_is_found() {
    let dir = tempfile::tempdir().expect("a folder");
    written(dir.path()).await;
    fs::remove_file(logs(dir.path(), ".events").last().expect("some")).expect("removes");
    let report = verified(dir.path());
    let text = format!("{:?}", report.findings);
    for witness in ["meta vouches", "the index vouches", "checkpoint default/projection/orders vouches"] {
        assert!(text.contains(witness), "{witness}: {text}");
    }
}
