//! Copies a log while it is in use, and makes a new life of it from the copy.
//!
//! A backup is a folder: `state.db`, the segments under `log/`, and last of all `backup.json`, which names every
//! file with its size and SHA-256. The index is not copied, it is derived. A backup cannot be opened as a data
//! folder: two logs would then go on under one incarnation and tell different stories to the same cursors.

pub(crate) mod manifest;
mod restore;
mod segment;

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use gesta_core::{Clock, Incarnation, Position, SystemClock};
use sha2::{Digest, Sha256};

use crate::{
    Damage, OpenError, Progress, StateError,
    log::{folder::sync_names, meta::Meta, segment as names},
    state,
};
use manifest::{Copied, Manifest};
pub use restore::restore;

/// Why a backup or a restore failed. What it has written so far is no backup and no log, and may be deleted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BackupError {
    /// Something of a backup or a log would be overwritten.
    #[error("{dir} is not empty: name a folder that is, or is not there yet")]
    NotEmpty {
        /// The folder.
        dir: PathBuf,
    },
    /// There is nothing to copy.
    #[error("{dir} holds no {what}")]
    Nothing {
        /// The folder.
        dir: PathBuf,
        /// What was looked for.
        what: &'static str,
    },
    /// A newer release made the backup.
    #[error("the backup has format {found}, this release reads {known}: use a newer release")]
    NewerFormat {
        /// Its format.
        found: u32,
        /// The one that is read.
        known: u32,
    },
    /// What is stored is not what was written: it is not copied.
    #[error(transparent)]
    Damaged(#[from] Damage),
    /// `state.db` cannot be copied.
    #[error(transparent)]
    State(#[from] StateError),
    /// A folder or file cannot be used.
    #[error(transparent)]
    Folder(OpenError),
}

impl From<OpenError> for BackupError {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::Damaged(damage) => Self::Damaged(damage),
            other => Self::Folder(other),
        }
    }
}

impl BackupError {
    /// Says at which path the file system said no.
    fn io(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let error = OpenError::io(path);
        move |source| Self::Folder(error(source))
    }
}

/// What was copied.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CopyReport {
    /// The life of the log: of a backup the one it was taken of, of a restored log a new one.
    pub incarnation: Incarnation,
    /// The position of its last event.
    pub head: Position,
    /// How many files it has.
    pub files: usize,
    /// How many bytes they hold.
    pub bytes: u64,
}

/// Copies the log in `dir`, which a running server may hold, with its checkpoints and snapshots into `to`: everything
/// up to some durable position at least as high as when it was called.
///
/// Every byte of the log is checked on the way, and damage ends the backup. `to` must be empty or absent; when this
/// returns, all of it is synced. What it writes until then has no `backup.json` and is taken for nothing.
///
/// ```
/// use gesta_core::{AppendBatch, EventStore, ExpectedVersion, NewEvent};
/// use gesta_file::{FileStore, Options, backup, restore};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let dir = tempfile::tempdir()?;
/// # let path = |name: &str| dir.path().join(name);
/// let store = FileStore::open(path("data"), Options::default())?;
/// let placed = NewEvent::new("order.placed", r#"{"total":12}"#);
/// store.append(AppendBatch::to("order-7".parse()?, ExpectedVersion::NoStream, [placed])).await?;
/// let copied = backup(path("data"), path("copy"), &mut |_| {})?;
///
/// let restored = restore(path("copy"), path("again"), &mut |_| {})?;
/// assert_eq!(restored.head, copied.head);
/// assert_ne!(restored.incarnation, copied.incarnation);
/// # Ok(()) }
/// ```
pub fn backup(
    dir: impl AsRef<Path>,
    to: impl AsRef<Path>,
    progress: &mut dyn FnMut(Progress),
) -> Result<CopyReport, BackupError> {
    let (dir, to) = (dir.as_ref(), to.as_ref());
    let Some(meta) = Meta::read(dir)? else {
        return Err(BackupError::Nothing { dir: dir.to_owned(), what: "log" });
    };
    let log = begin(to)?;
    let mut files = Vec::new();
    // First, so that no checkpoint in it lies beyond the segments that are copied afterwards.
    if state::copy(dir, &to.join(state::FILE))?.is_some() {
        files.push(synced(to, state::FILE)?);
    }
    let head = segments(dir, to, meta.incarnation, &mut files, progress)?;
    if head < meta.head {
        let reason = format!("it ends at {head}, but meta vouches for {}", meta.head);
        return Err(Damage::file(&dir.join("log"), reason).into());
    }
    sync_names(&log).map_err(BackupError::io(&log))?;
    let manifest = Manifest::new(meta.incarnation, head, SystemClock.now(), files);
    manifest.write(to)?;
    Ok(manifest.copy())
}

/// Makes the folder and the one for segments in it, which is returned.
fn begin(to: &Path) -> Result<PathBuf, BackupError> {
    let log = to.join("log");
    if fs::read_dir(to).is_ok_and(|mut entries| entries.next().is_some()) {
        return Err(BackupError::NotEmpty { dir: to.to_owned() });
    }
    fs::create_dir_all(&log).map_err(BackupError::io(&log))?;
    if let Some(parent) = fs::canonicalize(to).ok().as_deref().and_then(Path::parent) {
        sync_names(parent).map_err(BackupError::io(parent))?;
    }
    Ok(log)
}

/// Copies the segments there are now; those that come meanwhile are left out. Returns the last position copied.
fn segments(
    dir: &Path,
    to: &Path,
    incarnation: Incarnation,
    files: &mut Vec<Copied>,
    progress: &mut dyn FnMut(Progress),
) -> Result<Position, BackupError> {
    let log = dir.join("log");
    let firsts = names::firsts(&log)?;
    let size = |first: &Position| fs::metadata(log.join(names::name(*first))).map_or(0, |meta| meta.len());
    let (total, mut done) = (firsts.iter().map(size).sum(), 0);
    let mut next = Position::new(1);
    for (nth, first) in firsts.iter().enumerate() {
        progress(Progress { part: "copying the log", done, total });
        if *first != next {
            let reason = format!("positions {next} to {} are missing before it", first.get() - 1);
            return Err(Damage::file(&log.join(names::name(*first)), reason).into());
        }
        let source =
            segment::Source { dir: &log, incarnation, first: *first, is_last: nth + 1 == firsts.len() };
        let name = format!("log/{}", names::name(*first));
        next = source.copy(&to.join(&name), incarnation)?;
        files.push(synced(to, &name)?);
        done += size(first);
    }
    progress(Progress { part: "copying the log", done, total });
    Ok(Position::new(next.get() - 1))
}

/// Syncs a file that was copied and takes its hash.
fn synced(to: &Path, name: &str) -> Result<Copied, BackupError> {
    let path = to.join(name);
    let mut file = File::open(&path).map_err(BackupError::io(&path))?;
    file.sync_all().map_err(BackupError::io(&path))?;
    let (bytes, sha256) = hash(&mut file).map_err(BackupError::io(&path))?;
    Ok(Copied { name: name.to_owned(), bytes, sha256 })
}

/// The length of a file and its SHA-256 in hexadecimal.
fn hash(file: &mut File) -> io::Result<(u64, String)> {
    let mut sha = Sha256::new();
    let mut bytes = vec![0; 1 << 20];
    let mut length = 0;
    loop {
        match io::Read::read(file, &mut bytes) {
            Ok(0) => break,
            Ok(read) => {
                sha.update(&bytes[..read]);
                length += read as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok((length, sha.finalize().iter().map(|byte| format!("{byte:02x}")).collect()))
}
