//! The programs under test: honest ones, and ones with planted bugs that an environment variable arms.

use std::{fs, path::PathBuf, process::Command};

use super::place;
use crate::{process, programs::Build};

/// Both kinds, copied so that building one does not replace the other.
pub(super) struct Binaries {
    pub(super) honest: Programs,
    planted: Option<Programs>,
}

/// One kind.
pub(super) struct Programs {
    pub(super) gesta: PathBuf,
    pub(super) projection_kill: PathBuf,
}

impl Binaries {
    /// Builds them; the planted ones only for controls.
    pub(super) fn build(release: bool, controls: bool) -> Result<Self, String> {
        let honest = Programs::build(Build { release, planted: false })?;
        let planted = controls.then(|| Programs::build(Build { release, planted: true })).transpose()?;
        Ok(Self { honest, planted })
    }

    /// Those with the bugs.
    pub(super) fn planted(&self) -> Result<&Programs, String> {
        self.planted.as_ref().ok_or_else(|| "the programs with planted bugs are not built".into())
    }
}

impl Programs {
    fn build(how: Build) -> Result<Self, String> {
        let built = how.targets(&["--bin", "gesta"])?;
        let kind = if how.planted { "planted" } else { "honest" };
        let folder = process::fresh_folder(&place(&format!("programs-{kind}")))?;
        let copy = |from: PathBuf| {
            let to = folder.join(from.file_name().unwrap_or_default());
            fs::copy(from, &to).map_err(|cause| format!("{}: {cause}", to.display()))?;
            Ok::<_, String>(to)
        };
        Ok(Self {
            gesta: copy(built.join("gesta"))?,
            projection_kill: copy(built.join("examples").join("projection_kill"))?,
        })
    }
}

/// Arms a planted bug in a program, or none.
pub(super) fn arm<'a>(command: &'a mut Command, bug: Option<&str>) -> &'a mut Command {
    match bug {
        Some(bug) => command.env("GESTA_PLANTED", bug),
        None => command.env_remove("GESTA_PLANTED"),
    }
}
