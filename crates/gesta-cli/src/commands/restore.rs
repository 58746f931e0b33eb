//! `gesta restore`: a data folder from a backup.

use std::path::PathBuf;

use clap::Args;

use super::{
    backup::{Copied, failure},
    verify::Parts,
};
use crate::{exit::Outcome, shared::Shared};

/// Make a data folder from a backup: the same events in a new life of the log, which refuses old cursors
#[derive(Debug, Args)]
pub(crate) struct Restore {
    /// The backup
    from: PathBuf,
    /// The data folder to make; must be empty or absent
    #[arg(long, env = "GESTA_DATA", default_value = "gesta-data", value_name = "FOLDER")]
    data: PathBuf,
}

impl Restore {
    pub(crate) fn run(self, shared: &Shared) -> Outcome {
        let mut progress = Parts::new("restore");
        let copied =
            gesta_file::restore(&self.from, &self.data, &mut |at| progress.at(&at)).map_err(failure)?;
        drop(progress);
        shared.output.print(&Copied::from(copied), |copied| copied.text("restored"))
    }
}
