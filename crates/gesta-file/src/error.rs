//! Why a store does not open.

use std::{io, path::Path};

use gesta_core::{Position, ReadError};

/// Why a store does not open. Nothing was changed, but for what a crash had torn and nobody was told about.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Another process, or another store of this one, has the folder open.
    #[error("{dir} is in use by another process: stop it first")]
    InUse {
        /// The folder.
        dir: String,
    },
    /// Nothing was ever stored there.
    #[error("{dir} holds no log: name the data folder of a server")]
    Nothing {
        /// The folder.
        dir: String,
    },
    /// Syncs and locks mean too little there.
    #[error("{dir} is on a network file system ({kind}): choose a folder on a local disk")]
    NetworkFileSystem {
        /// The folder.
        dir: String,
        /// What kind.
        kind: &'static str,
    },
    /// A newer release wrote it.
    #[error("{place} has format {found}, this release reads up to {known}: use a newer release")]
    NewerFormat {
        /// Which file.
        place: String,
        /// Its format.
        found: u32,
        /// The newest that is read.
        known: u32,
    },
    /// What is stored is not what was written.
    #[error(transparent)]
    Damaged(#[from] Damage),
    /// The log ends before a position that was once durable: somebody cut it, or a part of it is missing.
    #[error("the log ends at {head}, but {witness} vouches for {known}: put the folder back from a backup")]
    Cut {
        /// Where the log ends.
        head: Position,
        /// Who knows better.
        witness: &'static str,
        /// Up to where the log was durable once.
        known: Position,
    },
    /// The index or the state beside the log cannot be opened.
    #[error("{part} cannot be opened: {reason}")]
    Part {
        /// Which one.
        part: &'static str,
        /// Why, and what to do.
        reason: String,
    },
    /// The file system said no.
    #[error("{place}: {source}")]
    Io {
        /// Which file or folder.
        place: String,
        /// What it said.
        source: io::Error,
    },
}

impl OpenError {
    pub(crate) fn io(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let place = path.display().to_string();
        move |source| Self::Io { place, source }
    }
}

/// A place whose bytes are not what was written there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place} is damaged: {reason}; put it back from a backup")]
pub struct Damage {
    /// Which file and range.
    pub place: String,
    /// What is wrong with it.
    pub reason: String,
}

impl Damage {
    pub(crate) fn file(path: &Path, reason: impl Into<String>) -> Self {
        Self { place: path.display().to_string(), reason: reason.into() }
    }

    pub(crate) fn range(path: &Path, from: u64, to: u64, reason: impl Into<String>) -> Self {
        Self { place: format!("{}, bytes {from} to {to}", path.display()), reason: reason.into() }
    }
}

impl From<Damage> for ReadError {
    fn from(damage: Damage) -> Self {
        Self::Damaged { place: damage.place, reason: damage.reason }
    }
}
