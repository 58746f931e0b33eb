//! What the tests of this folder share.

use std::{fs, path::Path};

use futures_util::TryStreamExt;
use gesta_core::{
    AppendBatch, EventStore, ExpectedVersion, Filter, NewEvent, ReadAll, ReadError, RecordedEvent,
};
use gesta_file::{FileStore, OpenError, Options};
use tempfile::TempDir;

/// Segments of a few events.
pub(crate) fn tiny() -> Options {
    Options::default().segment_bytes(2 << 10, 16 << 10)
}

/// A batch of `count` events to one stream; the data names the batch.
pub(crate) fn batch(number: usize, count: usize) -> AppendBatch {
    let stream = format!("thing-{}", number % 7).parse().expect("legal");
    let data = format!(r#"{{"batch":{number},"of":{count},"filler":"{}"}}"#, "x".repeat(number % 50));
    let events = (0..count).map(|_| NewEvent::new("thing.happened", data.clone().into_bytes()));
    AppendBatch::to(stream, ExpectedVersion::Any, events)
}

/// Appends `batches` one after the other, so that each is a group of its own.
pub(crate) async fn append(store: &FileStore, batches: std::ops::Range<usize>, count: usize) {
    for number in batches {
        store.append(batch(number, count)).await.expect("appends");
    }
}

/// Everything in the log.
pub(crate) async fn everything(store: &FileStore) -> Result<Vec<RecordedEvent>, ReadError> {
    store.read_all(ReadAll::of(Filter::everything())).try_collect().await
}

/// The folder as a kill would leave it; what only bears witness to the log is left out.
pub(crate) fn image_without_witness(of: &Path) -> TempDir {
    let image = tempfile::tempdir().expect("a folder");
    fs::copy(of.join("meta"), image.path().join("meta")).expect("copies meta");
    copy(&of.join("log"), &image.path().join("log"));
    image
}

/// The folder as a kill would leave it.
pub(crate) fn image(of: &Path) -> TempDir {
    let image = tempfile::tempdir().expect("a folder");
    copy(of, image.path());
    image
}

/// Copies a folder with all below it. A file that goes while its folder is listed is left out: the index and what is
/// made ready for the log go on beside the writer.
pub(crate) fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("makes the folder");
    for entry in fs::read_dir(from).expect("lists the folder") {
        let entry = entry.expect("an entry");
        let target = to.join(entry.file_name());
        if entry.file_type().expect("a type").is_dir() {
            copy(&entry.path(), &target);
        } else {
            match fs::copy(entry.path(), target) {
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                copied => drop(copied.expect("copies a file")),
            }
        }
    }
}

/// Changes the bytes of a file.
pub(crate) fn edit(path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = fs::read(path).expect("reads the file");
    change(&mut bytes);
    fs::write(path, bytes).expect("writes the file");
}

/// The segments of a log, in order.
pub(crate) fn segments(dir: &Path) -> Vec<std::path::PathBuf> {
    let entries = fs::read_dir(dir.join("log")).expect("lists the log");
    let mut found: Vec<_> = entries
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().ends_with(".events")))
        .filter(|path| path.file_stem().is_some_and(|stem| stem != "next"))
        .collect();
    found.sort();
    found
}

/// Opens a folder that is to be refused.
pub(crate) fn refused(dir: &Path, options: Options) -> OpenError {
    match FileStore::open(dir, options) {
        Ok(store) => panic!("it opened: {store:?}"),
        Err(error) => error,
    }
}
