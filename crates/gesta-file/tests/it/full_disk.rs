//! A full disk, on a small tmpfs: needs the right to mount, as the crash tests do.

use std::{fs, path::Path, process::Command};

use gesta_core::{AppendBatch, AppendError, DurabilityClass, EventStore, ExpectedVersion, NewEvent};
use gesta_file::{FileStore, Options};

use crate::support::everything;

/// A file system of a few megabytes.
struct Small(tempfile::TempDir);

impl Small {
    fn new(megabytes: usize) -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let size = format!("size={megabytes}m");
        run("mount", &["-t", "tmpfs", "-o", &size, "tmpfs"], dir.path());
        Self(dir)
    }

    fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        run("umount", &["-l"], self.0.path());
    }
}

fn run(program: &str, arguments: &[&str], path: &Path) {
    let status = Command::new(program).args(arguments).arg(path).status().expect("the program is there");
    assert!(status.success(), "{program} failed: run the tests as root");
}

fn large(number: usize) -> AppendBatch {
    let event = NewEvent::new("thing.stored", vec![b'x'; 200 << 10]);
    AppendBatch::to(format!("thing-{number}").parse().expect("legal"), ExpectedVersion::Any, [event])
}

#[tokio::test]
async fn a_full_disk_refuses_appends_before_any_write_and_space_resumes_them() {
    let disk = Small::new(24);
    let data = disk.path().join("data");
    let store = FileStore::open(&data, Options::default()).expect("opens");
    assert_eq!(store.capabilities().durability, DurabilityClass::Buffered);
    fs::write(disk.path().join("ballast"), vec![1; 8 << 20]).expect("fits");

    let mut stored = 0;
    let refusal = loop {
        match store.append(large(stored)).await {
            Ok(_) => stored += 1,
            Err(refusal) => break refusal,
        }
        assert!(stored < 200, "the disk never got full");
    };
    assert!(matches!(&refusal, AppendError::Unavailable { reason } if reason.contains("full")), "{refusal}");
    assert!(stored > 5, "{stored} stored");
    assert_eq!(everything(&store).await.expect("reads go on").len(), stored);
    assert_eq!(store.status().failure, None);

    fs::remove_file(disk.path().join("ballast")).expect("frees space");
    // The helper tries again by itself; until then appends are refused.
    let again = loop {
        match store.append(large(stored)).await {
            Ok(appended) => break appended,
            Err(error) => assert!(matches!(error, AppendError::Unavailable { .. }), "{error}"),
        }
    };
    assert_eq!(again.events[0].position.get(), stored as u64 + 1);
    store.close().await;
    drop(store);
    let store = FileStore::open(&data, Options::default()).expect("opens");
    assert_eq!(everything(&store).await.expect("reads").len(), stored + 1);
}
