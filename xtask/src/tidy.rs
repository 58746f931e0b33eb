//! `cargo xtask tidy`: what keeps the code readable, checked so that nobody has to remember it.
//!
//! Every finding names file and line, what is wrong and how to mend it. Old offenders stand in `tidy.toml` with
//! their present measure; a number there may only fall.

use std::{collections::BTreeMap, fmt, fs};

use serde::Deserialize;

use crate::{Outcome, process};

mod docs;
mod graph;
mod places;
mod settings;
mod sizes;
mod source;
mod waits;
mod words;

use source::Source;

/// Something to mend.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Finding {
    path: String,
    line: usize,
    what: String,
    mend: &'static str,
}

impl Finding {
    fn new(path: impl Into<String>, line: usize, what: impl Into<String>, mend: &'static str) -> Self {
        Self { path: path.into(), line, what: what.into(), mend }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}\n    mend: {}", self.path, self.line, self.what, self.mend)
    }
}

/// What `tidy.toml` says.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Rules {
    /// Which of our crates each of our crates may use.
    direction: BTreeMap<String, Vec<String>>,
    /// Most third-party crates behind each of our crates.
    weight: BTreeMap<String, usize>,
    /// What may stand at the root.
    root: Vec<String>,
    /// Present percentage of doc lines of crates below the floor.
    #[serde(default)]
    thin_docs: BTreeMap<String, usize>,
}

/// Checks everything, prints what it found, and fails if it found anything.
pub(crate) fn run() -> Outcome {
    let text =
        fs::read_to_string(process::root().join("xtask/tidy.toml")).map_err(|cause| cause.to_string())?;
    let rules: Rules = toml::from_str(&text).map_err(|cause| format!("xtask/tidy.toml: {cause}"))?;
    let paths = tracked()?;
    let sources = read_sources(&paths);

    let mut findings = places::check(&paths, &rules);
    findings.extend(graph::check(&rules)?);
    findings.extend(settings::check());
    findings.extend(sources.iter().flat_map(words::check));
    findings.extend(sources.iter().flat_map(waits::check));
    findings.extend(sources.iter().flat_map(sizes::check));
    findings.extend(docs::check(&sources, &rules));
    findings.sort();

    findings.iter().for_each(|finding| println!("{finding}"));
    println!("tidy: {} files, {}, {} findings", paths.len(), sizes::total(&sources), findings.len());
    if findings.is_empty() { Ok(()) } else { Err(format!("tidy has {} findings", findings.len())) }
}

/// Every file that git would commit, there on disk.
fn tracked() -> Result<Vec<String>, String> {
    let listed = process::read(process::program("git").args([
        "-c",
        "safe.directory=*",
        "ls-files",
        "-co",
        "--exclude-standard",
    ]))?;
    let there = |path: &&str| process::root().join(path).is_file();
    Ok(listed.lines().filter(there).map(str::to_owned).collect())
}

fn read_sources(paths: &[String]) -> Vec<Source> {
    let code = paths.iter().filter(|path| path.ends_with(".rs") || path.ends_with(".sql"));
    code.filter_map(|path| {
        let text = fs::read_to_string(process::root().join(path)).ok()?;
        Some(Source::new(path, &text))
    })
    .collect()
}
