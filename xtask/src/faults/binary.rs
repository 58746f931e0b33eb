//! The binaries under test: the honest one, and one with planted bugs that an environment variable arms.

use std::{fs, path::PathBuf};

use crate::process;

/// Both binaries, copied so that building one does not replace the other.
#[derive(Clone)]
pub(super) struct Binaries {
    pub(super) honest: PathBuf,
    pub(super) planted: Option<PathBuf>,
}

impl Binaries {
    /// Builds them; the planted one only for controls.
    pub(super) fn build(release: bool, controls: bool) -> Result<Self, String> {
        Ok(Self {
            honest: build(release, false)?,
            planted: if controls { Some(build(release, true)?) } else { None },
        })
    }
}

fn build(release: bool, planted: bool) -> Result<PathBuf, String> {
    let mut cargo = process::cargo();
    cargo.args(["build", "--quiet", "--package", "gesta-cli", "--bin", "gesta"]);
    if release {
        cargo.arg("--release");
    }
    if planted {
        cargo.args(["--features", "planted"]);
    }
    process::run(&mut cargo)?;
    let profile = if release { "release" } else { "debug" };
    let built = process::target().join(profile).join("gesta");
    let folder = process::target().join("faults");
    let copy =
        folder.join(if planted { format!("gesta-planted-{profile}") } else { format!("gesta-{profile}") });
    let failed = |cause: std::io::Error| format!("{}: {cause}", copy.display());
    fs::create_dir_all(&folder).map_err(failed)?;
    let _ = fs::remove_file(&copy);
    fs::copy(&built, &copy).map_err(failed)?;
    Ok(copy)
}
