//! Reads a whole data folder or backup and says what is not as it was written.
//!
//! Two things are proved together. Every byte of the log is read: checksums, positions without a gap, envelopes of a
//! known format, summaries and their hashes. And everything the index holds is read: were an id there twice, or did
//! a stream lack a version, a sum over all entries of the log would differ from the one over the index, whose keys
//! are in order and are checked for gaps. So memory is bounded whatever the log holds. Where there is no index that
//! fits, as in a backup, one is built beside the system's temporary files.

mod index;
mod log;
mod state;

use std::path::Path;

use gesta_core::{Incarnation, Position};

use crate::{
    OpenError,
    backup::manifest::Manifest,
    log::{folder::Folder, meta::Meta},
};

/// So many findings are kept; the others are counted.
const FINDINGS: usize = 100;

/// How far a long piece of work is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress {
    /// What is being done, such as `reading the log`.
    pub part: &'static str,
    /// How much of it is done: bytes, or events where an index is built.
    pub done: u64,
    /// Of how much.
    pub total: u64,
}

/// What a verification has found.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Report {
    /// How many events were read.
    pub events: u64,
    /// The position of the last one.
    pub head: Position,
    /// How many segments the log has.
    pub segments: u64,
    /// How many bytes of them are groups.
    pub bytes: u64,
    /// What a crash has torn off the end, in bytes, and the next start cuts off. No damage: nobody was told of it.
    pub torn_bytes: u64,
    /// How many streams there are.
    pub streams: u64,
    /// How many checkpoints were compared.
    pub checkpoints: u64,
    /// How many snapshots were compared.
    pub snapshots: u64,
    /// What is wrong, the first 100 of it.
    pub findings: Vec<Finding>,
    /// How many there are.
    pub findings_total: u64,
}

impl Report {
    /// Whether nothing is wrong.
    pub fn is_clean(&self) -> bool {
        self.findings_total == 0
    }

    /// Adds a finding, or only counts it when there are many.
    fn find(&mut self, place: impl std::fmt::Display, reason: impl std::fmt::Display) {
        self.findings_total += 1;
        if self.findings.len() < FINDINGS {
            self.findings.push(Finding { place: place.to_string(), reason: reason.to_string() });
        }
    }
}

/// Something that is not as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Where: a file with its range, or a part of the folder.
    pub place: String,
    /// What is wrong, and what to do.
    pub reason: String,
}

impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.place, self.reason)
    }
}

/// Verifies the data folder or backup `dir`: a stopped one, since a running server holds its folder (back that up
/// and verify the backup). Changes nothing of the log.
///
/// Everything wrong is a finding; an error means that the folder could not be looked at. Opening the index may let it
/// finish its own recovery, which changes nothing it says.
///
/// ```
/// use gesta_file::{FileStore, Options, verify};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let dir = tempfile::tempdir()?;
/// FileStore::open(dir.path(), Options::default())?.close().await;
/// let report = verify(dir.path(), &mut |at| eprintln!("{}: {} of {}", at.part, at.done, at.total))?;
/// assert!(report.is_clean(), "{:?}", report.findings);
/// # Ok(()) }
/// ```
pub fn verify(dir: impl AsRef<Path>, progress: &mut dyn FnMut(Progress)) -> Result<Report, OpenError> {
    let dir = dir.as_ref();
    std::fs::read_dir(dir).map_err(OpenError::io(dir))?;
    let mut report = Report::default();
    if Manifest::is_in(dir) {
        of_backup(dir, progress, &mut report)?;
        return Ok(report);
    }
    let folder = Folder::open(dir)?;
    let meta = match Meta::read(folder.path()) {
        Ok(meta) => meta,
        Err(error) => {
            report.find("meta", error);
            None
        }
    };
    let life = meta.map(|meta| meta.incarnation).or_else(|| log::incarnation_of(&folder.log()));
    let Some(incarnation) = life else {
        report.find(dir.display(), "there is no log here, or nothing that says which one");
        return Ok(report);
    };
    if meta.is_none() && report.is_clean() {
        report.find("meta", "it is missing although there is a log; put it back from a backup");
    }
    of_folder(dir, incarnation, meta, progress, &mut report)?;
    Ok(report)
}

/// Compares the files of a backup with its manifest, and then reads it as a log that was stopped cleanly.
fn of_backup(dir: &Path, progress: &mut dyn FnMut(Progress), report: &mut Report) -> Result<(), OpenError> {
    let manifest = match Manifest::read(dir) {
        Ok(manifest) => manifest,
        Err(error) => {
            report.find(crate::backup::manifest::FILE, error);
            return Ok(());
        }
    };
    manifest
        .compare(dir, progress, &mut |place, reason| report.find(place, reason))
        .map_err(OpenError::io(dir))?;
    let meta = Meta { incarnation: manifest.incarnation, head: manifest.head, clean: true };
    of_folder(dir, manifest.incarnation, Some(meta), progress, report)
}

/// Checks log, index and state of a folder against each other.
fn of_folder(
    dir: &Path,
    incarnation: Incarnation,
    meta: Option<Meta>,
    progress: &mut dyn FnMut(Progress),
    report: &mut Report,
) -> Result<(), OpenError> {
    let clean = meta.is_some_and(|meta| meta.clean);
    let log = log::Reading { dir: dir.join("log"), incarnation, clean };
    let existing = index::Existing::open(dir, incarnation, report);
    let found_before = report.findings_total;
    let walked = log.check(existing.watermark(), progress, report)?;
    let is_whole = report.findings_total == found_before;
    report.head = walked.head;
    if let Some(known) = meta.map(|meta| meta.head).filter(|known| *known > walked.head) {
        report.find("log", format!("it ends at {}, but meta vouches for {known}", walked.head));
    }
    // What is missing from a damaged log would be missed in every comparison.
    if is_whole {
        index::compare(existing, &log, &walked, progress, report)?;
    }
    state::check(dir, incarnation, walked.head, report);
    Ok(())
}

#[cfg(test)]
mod tests;
