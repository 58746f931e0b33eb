//! Examples of every shape that was ever stored, kept as files.

use std::{fs, path::Path};

use serde::Deserialize;
use serde_json::Value;

use super::stored;
use crate::{
    event::{Event, EventKind},
    upcast::Upcasters,
};

/// One example: an event as it was stored, and as it must be read.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Golden {
    #[serde(rename = "type")]
    event_type: String,
    schema_version: u32,
    stored: Value,
    read: Value,
}

/// Reads every `.json` file of a folder through the upcasters and compares; there must be at least one example for each
/// schema version of each kind. A file is `{"type": …, "schema_version": …, "stored": …, "read": …}`: the data as an
/// older program wrote it, and as today's reads it. What is stored is never edited: a new shape gets a new file, and what is read follows it.
///
/// Answers with how many files it compared. Panics on a version without an example, on a file that cannot be read, and on
/// data that is read as something else; it prints what is expected and what it is.
#[track_caller]
pub fn golden_files<E: Event>(upcasters: &Upcasters, folder: impl AsRef<Path>) -> usize {
    let examples = examples(folder.as_ref());
    for kind in E::KINDS {
        for version in 1..=kind.schema_version {
            assert!(
                examples.iter().any(|(_, golden)| is_example(golden, kind, version)),
                "no example of {} schema version {version} in {}: add one, and keep it for ever",
                kind.name,
                folder.as_ref().display()
            );
        }
    }
    for (name, golden) in &examples {
        compare::<E>(upcasters, name, golden);
    }
    examples.len()
}

fn is_example(golden: &Golden, kind: &EventKind, version: u32) -> bool {
    kind.is_called(&golden.event_type) && golden.schema_version == version
}

#[track_caller]
fn examples(folder: &Path) -> Vec<(String, Golden)> {
    let listed = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let paths = listed.filter_map(Result::ok).map(|entry| entry.path());
    let mut paths: Vec<_> =
        paths.filter(|path| path.extension().is_some_and(|ending| ending == "json")).collect();
    paths.sort_unstable();
    let read = |path: &std::path::PathBuf| {
        let name = path.display().to_string();
        let text = fs::read(path).unwrap_or_else(|error| panic!("{name}: {error}"));
        let golden = serde_json::from_slice(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
        (name, golden)
    };
    paths.iter().map(read).collect()
}

#[track_caller]
fn compare<E: Event>(upcasters: &Upcasters, name: &str, golden: &Golden) {
    let Golden { event_type, schema_version, stored: data, read: expected } = golden;
    let event: E = upcasters
        .decode(&stored(event_type, *schema_version, data))
        .unwrap_or_else(|error| panic!("{name}: {error}"));
    let actual = event.encode().and_then(|bytes| serde_json::from_slice::<Value>(&bytes));
    let actual = actual.unwrap_or_else(|error| panic!("{name}: {error}"));
    assert!(
        actual == *expected,
        "{name} is read as something else\nexpected: {expected:#}\n  actual: {actual:#}"
    );
}
