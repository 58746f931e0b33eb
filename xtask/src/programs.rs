//! Programs of the workspace, built as `cargo test --workspace` builds them.
//!
//! Cargo compiles a crate once for each set of features, and the set follows from what is asked for together: two
//! packages alone have another one than the whole workspace, and what tests add counts only when a test or an example is
//! asked for. So everything here asks for the whole workspace with an example, and finds built what the tests have built.
//! What comes along is tokio's clock that tests can pause; no program does.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;

use crate::process;

/// How programs are built.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Build {
    /// As a release, or as tests are.
    pub(crate) release: bool,
    /// With the bugs on purpose, which a variable arms.
    pub(crate) planted: bool,
}

/// As tests are built, with the bugs.
pub(crate) const PLANTED: Build = Build { release: false, planted: true };

impl Build {
    /// Builds what these words of cargo's name, and the example without which nothing would be found built. Answers with
    /// the folder in which the programs are.
    pub(crate) fn targets(self, words: &[&str]) -> Result<PathBuf, String> {
        process::run(self.cargo("build").args(["--example", "projection_kill"]).args(words))?;
        Ok(process::target().join(if self.release { "release" } else { "debug" }))
    }

    /// Builds the integration tests of every crate, and answers with each crate's.
    pub(crate) fn tests(self) -> Result<BTreeMap<String, PathBuf>, String> {
        let mut cargo = self.cargo("test");
        let told = process::read(cargo.args(["--no-run", "--message-format", "json", "--test", "it"]))?;
        let made = told.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        Ok(made.filter_map(|made| Some((package(&made)?, made["executable"].as_str()?.into()))).collect())
    }

    fn cargo(self, verb: &str) -> Command {
        let mut cargo = process::cargo();
        cargo.args([verb, "--locked", "--quiet", "--workspace"]);
        cargo.args(self.release.then_some("--release"));
        if self.planted {
            cargo.args(["--features", "gesta-cli/planted,gesta-postgres/planted"]);
        }
        cargo
    }
}

/// The crate that a line of cargo's is about, if that tells of integration tests.
fn package(made: &Value) -> Option<String> {
    let folder = Path::new(made["manifest_path"].as_str()?).parent()?;
    (made["target"]["name"] == "it").then(|| folder.file_name()?.to_str().map(str::to_owned))?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integration_tests_belong_to_the_crate_in_whose_folder_they_are() {
        let made = |target: &str| serde_json::json!({"manifest_path": "x/crates/gesta-file/Cargo.toml", "target": {"name": target}});
        assert_eq!(package(&made("it")), Some("gesta-file".into()));
        assert_eq!(package(&made("gesta")), None);
        assert_eq!(package(&serde_json::json!({"reason": "build-finished"})), None);
    }
}
