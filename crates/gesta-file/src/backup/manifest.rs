//! `backup.json`: what a backup consists of.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::Path,
};

use gesta_core::{Incarnation, Position, Timestamp};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{BackupError, CopyReport, hash};
use crate::{Damage, Progress, log::folder::sync_names};

/// The name of the file.
pub(crate) const FILE: &str = "backup.json";
const FORMAT: u32 = 1;

/// What a backup consists of. Written last, so that a folder without it is none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Manifest {
    format: u32,
    /// The life of the log it was taken of.
    pub(crate) incarnation: Incarnation,
    /// The position of its last event.
    pub(crate) head: Position,
    /// By the clock of the machine that made it.
    made_at: Timestamp,
    pub(super) files: Vec<Copied>,
    /// SHA-256 of all before it.
    sha256: String,
}

/// A file of a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Copied {
    /// Its path below the backup, with slashes.
    pub(super) name: String,
    /// Its length.
    pub(super) bytes: u64,
    /// Its hash, in hexadecimal.
    pub(super) sha256: String,
}

impl Manifest {
    pub(super) fn new(
        incarnation: Incarnation,
        head: Position,
        made_at: Timestamp,
        files: Vec<Copied>,
    ) -> Self {
        let mut manifest = Self { format: FORMAT, incarnation, head, made_at, files, sha256: String::new() };
        manifest.sha256 = manifest.sum();
        manifest
    }

    /// Whether a folder is a backup.
    pub(crate) fn is_in(dir: &Path) -> bool {
        dir.join(FILE).exists()
    }

    /// Reads the manifest of the backup `dir`. Refuses one with any bit flipped, and one of a newer format.
    pub(crate) fn read(dir: &Path) -> Result<Self, BackupError> {
        #[derive(Deserialize)]
        struct Format {
            format: u32,
        }
        let path = dir.join(FILE);
        let damaged = || BackupError::Damaged(Damage::file(&path, "it is not what was written"));
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(BackupError::Nothing { dir: dir.to_owned(), what: "backup" });
            }
            Err(error) => return Err(BackupError::io(&path)(error)),
        };
        let manifest: Self = match (serde_json::from_slice::<Format>(&text), serde_json::from_slice(&text)) {
            (Ok(Format { format }), _) if format > FORMAT => {
                return Err(BackupError::NewerFormat { found: format, known: FORMAT });
            }
            (_, Ok(manifest)) => manifest,
            _ => return Err(damaged()),
        };
        // The text as well as its meaning: every flipped bit counts.
        if manifest.sha256 != manifest.sum() || text != manifest.text() {
            return Err(damaged());
        }
        Ok(manifest)
    }

    /// Writes the manifest: whole and durable, and only once the names of all other files are durable.
    pub(super) fn write(&self, dir: &Path) -> Result<(), BackupError> {
        let (path, new) = (dir.join(FILE), dir.join("backup.json.tmp"));
        let write = || -> io::Result<()> {
            let mut file = File::create_new(&new)?;
            file.write_all(&self.text())?;
            file.sync_all()?;
            // The names of the other files first.
            sync_names(dir)?;
            fs::rename(&new, &path)?;
            sync_names(dir)
        };
        write().map_err(BackupError::io(&path))
    }

    /// Compares every file with what the manifest says of it, and tells each that differs.
    pub(crate) fn compare(
        &self,
        dir: &Path,
        progress: &mut dyn FnMut(Progress),
        wrong: &mut dyn FnMut(&str, String),
    ) -> io::Result<()> {
        let (total, mut done) = (self.copy().bytes, 0);
        for known in &self.files {
            progress(Progress { part: "comparing hashes", done, total });
            done += known.bytes;
            let (bytes, sha256) = match File::open(dir.join(&known.name)) {
                Ok(mut file) => hash(&mut file)?,
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    wrong(&known.name, "it is missing".into());
                    continue;
                }
                Err(error) => return Err(error),
            };
            if bytes != known.bytes {
                wrong(&known.name, format!("it has {bytes} bytes, {} were copied", known.bytes));
            } else if sha256 != known.sha256 {
                wrong(&known.name, "its hash is not that of what was copied".into());
            }
        }
        progress(Progress { part: "comparing hashes", done, total });
        Ok(())
    }

    /// The manifest for whoever asked for the backup.
    pub(super) fn copy(&self) -> CopyReport {
        let bytes = self.files.iter().map(|file| file.bytes).sum();
        CopyReport { incarnation: self.incarnation, head: self.head, files: self.files.len(), bytes }
    }

    /// SHA-256 of the text with an empty sum in it.
    fn sum(&self) -> String {
        let bare = Self { sha256: String::new(), ..self.clone() };
        Sha256::digest(bare.text()).iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// The only text that stands for this manifest.
    fn text(&self) -> Vec<u8> {
        serde_json::to_vec_pretty(self).expect("a manifest always serializes")
    }
}
