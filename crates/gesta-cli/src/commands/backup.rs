//! `gesta backup`: a copy of a data folder, while a server may run on it.

use std::path::PathBuf;

use clap::Args;
use gesta_file::{BackupError, CopyReport};
use serde::Serialize;

use super::verify::Parts;
use crate::{
    exit::{Exit, Failure, Outcome},
    output::number,
    shared::Shared,
};

/// Copy a data folder; a server may run on it
#[derive(Debug, Args)]
pub(crate) struct Backup {
    /// Where to; must be empty or absent
    to: PathBuf,
    /// The data folder
    #[arg(long, env = "GESTA_DATA", default_value = "gesta-data", value_name = "FOLDER")]
    data: PathBuf,
}

/// What was copied.
#[derive(Serialize)]
pub(super) struct Copied {
    incarnation: String,
    head: u64,
    files: usize,
    bytes: u64,
}

impl Backup {
    pub(crate) fn run(self, shared: &Shared) -> Outcome {
        let mut progress = Parts::new("backup");
        let copied = gesta_file::backup(&self.data, &self.to, &mut |at| progress.at(&at)).map_err(failure)?;
        drop(progress);
        shared.output.print(&Copied::from(copied), |copied| copied.text("backed up"))
    }
}

impl From<CopyReport> for Copied {
    fn from(report: CopyReport) -> Self {
        let CopyReport { incarnation, head, files, bytes, .. } = report;
        Self { incarnation: incarnation.to_string(), head: head.get(), files, bytes }
    }
}

impl Copied {
    pub(super) fn text(&self, verb: &str) -> String {
        format!(
            "{} events {verb}: {} files, {} bytes, incarnation {}",
            number(self.head),
            number(self.files as u64),
            number(self.bytes),
            self.incarnation
        )
    }
}

pub(super) fn failure(error: BackupError) -> Failure {
    let exit = if matches!(error, BackupError::Nothing { .. }) { Exit::NotFound } else { Exit::Failed };
    Failure::new(exit, error)
}
