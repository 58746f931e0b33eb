//! Opens the folder of the index, whatever state it is in.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
    thread,
};

use fjall::{
    Database, Keyspace, KeyspaceCreateOptions, PersistMode, compaction::Leveled, config::PartitioningPolicy,
};
use gesta_core::{Incarnation, Position};

use super::{IndexError, keys, tree::Tree};
use crate::background::step_back;

/// Frozen in the folder when it is made, so a change here is a new format number.
const MEMTABLE_BYTES: u64 = 16 << 20;
/// What the journal may hold is replayed at opening; this is the least that can be asked for.
const JOURNAL_BYTES: u64 = 64 << 20;
const CACHE_BYTES: u64 = 48 << 20;
const OPEN_FILES: usize = 128;

/// Opens the folder `dir`, or moves it aside and begins an empty one; the second value says why it was moved.
pub(super) fn open(dir: &Path, incarnation: Incarnation) -> Result<(Tree, Option<String>), IndexError> {
    let reason = match opened(dir, incarnation) {
        Ok(tree) => return Ok((tree, None)),
        Err(reason) => reason,
    };
    tracing::warn!(dir = %dir.display(), %reason, "the index is discarded and built anew from the log");
    set_aside(dir)
        .map_err(|error| IndexError::broken(format!("{} cannot be removed: {error}", dir.display())))?;
    let tree = opened(dir, incarnation).map_err(IndexError::broken)?;
    Ok((tree, Some(reason)))
}

/// Opens the folder `dir` and changes nothing if it is of no use.
pub(super) fn open_as_it_is(dir: &Path, incarnation: Incarnation) -> Result<Tree, IndexError> {
    if is_empty(dir) {
        return Err(IndexError::broken("there is none"));
    }
    opened(dir, incarnation).map_err(IndexError::broken)
}

/// Recovery of the library asserts, so a panic is treated as an error: it happens on a thread of its own.
fn opened(dir: &Path, incarnation: Incarnation) -> Result<Tree, String> {
    let dir = dir.to_owned();
    let opening = thread::Builder::new()
        .name("gesta-index-open".into())
        .spawn(move || {
            // The library's own threads are started here and take after this one.
            step_back();
            fitting(&dir, incarnation)
        })
        .map_err(|error| format!("no thread could be started: {error}"))?;
    opening.join().unwrap_or_else(|_| Err("the library panicked while opening it".into()))
}

/// Opens or makes the folder, and refuses one of another format or life.
fn fitting(dir: &Path, incarnation: Incarnation) -> Result<Tree, String> {
    let fresh = !dir.join("version").exists() && is_empty(dir);
    let text = |error: fjall::Error| error.to_string();
    let database = Database::builder(dir)
        .cache_size(CACHE_BYTES)
        .max_cached_files(Some(OPEN_FILES))
        .max_journaling_size(JOURNAL_BYTES)
        .worker_threads(1)
        .open()
        .map_err(text)?;
    let keyspace = database.keyspace("index", options).map_err(text)?;
    let identity = keys::identity(incarnation);
    if fresh {
        keyspace.insert(keys::IDENTITY, identity).map_err(text)?;
        // Not for the sake of its content: the folder shall be told from a foreign one from now on.
        database.persist(PersistMode::Buffer).map_err(text)?;
    } else if keyspace.get(keys::IDENTITY).map_err(text)?.as_deref() != Some(&identity) {
        return Err("it is of another format or of another life of the log".into());
    }
    let watermark = watermark(&keyspace)?;
    Tree::load(database, keyspace, watermark).map_err(|error| error.to_string())
}

/// Small tables, so that a lookup which finds a filter not in the cache reads little; of the deep levels, whose
/// filters outgrow the cache, only the part it needs. More loose tables at a time and a narrower step from level to
/// level make compaction cheaper: 4.0 instead of 5.8 us of CPU an event at 4 M events.
fn options() -> KeyspaceCreateOptions {
    let levels = Leveled::default()
        .with_l0_threshold(8)
        .with_table_target_size(16 << 20)
        .with_level_ratio_policy(vec![6.0]);
    let from_level_2 = PartitioningPolicy::new([false, false, true]);
    KeyspaceCreateOptions::default()
        .max_memtable_size(MEMTABLE_BYTES)
        .compaction_strategy(Arc::new(levels))
        .filter_block_partitioning_policy(from_level_2.clone())
        .index_block_partitioning_policy(from_level_2)
}

/// How far the entries go; the start if nothing was applied yet.
fn watermark(keyspace: &Keyspace) -> Result<Position, String> {
    let Some(value) = keyspace.get(keys::WATERMARK).map_err(|error| error.to_string())? else {
        return Ok(Position::START);
    };
    let number = <[u8; 8]>::try_from(&*value).map_err(|_| "its watermark is illegible")?;
    Ok(Position::new(u64::from_le_bytes(number)))
}

fn is_empty(dir: &Path) -> bool {
    fs::read_dir(dir).map_or(true, |mut entries| entries.next().is_none())
}

/// Moves a folder out of the way and deletes it. A rename first: an interrupted deletion would leave a folder that
/// looks like an index.
pub(super) fn set_aside(dir: &Path) -> io::Result<()> {
    let aside = aside(dir);
    if aside.exists() {
        fs::remove_dir_all(&aside)?;
    }
    match fs::rename(dir, &aside) {
        Ok(()) => fs::remove_dir_all(&aside),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

/// Where a folder goes that is about to be deleted: beside it, so that a rename does.
fn aside(dir: &Path) -> PathBuf {
    let mut name = dir.file_name().unwrap_or_default().to_owned();
    name.push(".discarded");
    dir.with_file_name(name)
}
