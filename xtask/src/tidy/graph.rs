//! Who may use whom, and how much foreign code comes along.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
};

use serde::Deserialize;

use super::{Finding, Rules};
use crate::process;

#[derive(Debug, Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Debug, Deserialize)]
struct Package {
    name: String,
    manifest_path: PathBuf,
    dependencies: Vec<Dependency>,
    features: BTreeMap<String, Vec<String>>,
}

impl Package {
    /// Its manifest, from the root.
    fn manifest(&self) -> String {
        self.manifest_path.strip_prefix(process::root()).unwrap_or(&self.manifest_path).display().to_string()
    }
}

#[derive(Debug, Deserialize)]
struct Dependency {
    name: String,
    kind: Option<String>,
    source: Option<String>,
}

/// Looks at the direction of our crates, their third-party weight, their default features and the lock file.
pub(super) fn check(rules: &Rules) -> Result<Vec<Finding>, String> {
    let metadata = process::read(process::cargo().args(["metadata", "--no-deps", "--format-version", "1"]))?;
    let Metadata { packages } =
        serde_json::from_str(&metadata).map_err(|cause| format!("cargo metadata: {cause}"))?;

    let mut findings: Vec<Finding> = packages.iter().flat_map(|package| direction(package, rules)).collect();
    findings.extend(packages.iter().filter(|package| offers_planted(package)).map(planted));
    for package in &packages {
        if let Some(most) = rules.weight.get(&package.name) {
            findings.extend(weight(package, *most)?);
        }
    }
    let lock =
        std::fs::read_to_string(process::root().join("Cargo.lock")).map_err(|cause| cause.to_string())?;
    findings.extend(lock_sources(&lock));
    Ok(findings)
}

fn direction(package: &Package, rules: &Rules) -> Vec<Finding> {
    let Some(allowed) = rules.direction.get(&package.name) else {
        let what = format!("no direction for the crate {}", package.name);
        return vec![Finding::new("xtask/tidy.toml", 1, what, "write down which of our crates it may use")];
    };
    let ours = package
        .dependencies
        .iter()
        .filter(|used| used.source.is_none() && used.kind.as_deref() != Some("dev"));
    let mend = "dependencies point one way: see the table in xtask/tidy.toml and ARCHITECTURE.md";
    let name = &package.name;
    ours.filter(|used| !allowed.contains(&used.name))
        .map(|used| Finding::new(package.manifest(), 1, format!("{name} uses {}", used.name), mend))
        .collect()
}

/// Whether the deliberate bugs are in what everybody builds.
fn offers_planted(package: &Package) -> bool {
    let mut seen = BTreeSet::new();
    let mut open = vec!["default"];
    while let Some(feature) = open.pop() {
        if feature == "planted" || feature.ends_with("/planted") {
            return true;
        }
        if seen.insert(feature) {
            open.extend(package.features.get(feature).into_iter().flatten().map(String::as_str));
        }
    }
    false
}

fn planted(package: &Package) -> Finding {
    let mend = "take it out of the default set: it holds deliberate bugs";
    Finding::new(package.manifest(), 1, "the feature `planted` is on by default", mend)
}

/// Counts third-party crates of the normal and build graph, by name.
fn weight(package: &Package, most: usize) -> Result<Option<Finding>, String> {
    let name = &package.name;
    let mut tree = process::cargo();
    tree.args(["tree", "--edges", "normal,build", "--prefix", "none", "--format", "{p}"]);
    tree.args(["--package", name]);
    let listed = process::read(&mut tree)?;
    let count = third_party(&listed);
    if count < most {
        println!("tidy: note: {name} has {count} third-party crates; its ceiling {most} may come down");
    }
    let what = format!("{count} third-party crates behind {name}, at most {most}");
    let mend = "do without the new one, or choose a lighter one (cargo tree -e normal,build)";
    Ok((count > most).then(|| Finding::new(package.manifest(), 1, what, mend)))
}

/// Path packages are shown with their folder in brackets.
fn third_party(listed: &str) -> usize {
    let foreign = listed.lines().filter(|line| !line.is_empty() && !line.contains("(/"));
    foreign.filter_map(|line| line.split_whitespace().next()).collect::<BTreeSet<_>>().len()
}

fn lock_sources(lock: &str) -> Vec<Finding> {
    let index = "source = \"registry+https://github.com/rust-lang/crates.io-index\"";
    let foreign =
        lock.lines().enumerate().filter(|(_, line)| line.starts_with("source = ") && *line != index);
    let finding = |(at, line)| {
        let what = format!("a crate from elsewhere: {line}");
        Finding::new("Cargo.lock", at + 1, what, "take crates from crates.io only")
    };
    foreign.map(finding).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn planted_is_found_through_other_features() {
        let features = |default: &str| {
            BTreeMap::from([
                ("default".into(), vec![default.into()]),
                ("all".into(), vec!["gesta-file/planted".into()]),
                ("planted".into(), vec![]),
            ])
        };
        let package = |default| Package {
            name: "a".into(),
            manifest_path: "a/Cargo.toml".into(),
            dependencies: vec![],
            features: features(default),
        };
        assert!(offers_planted(&package("planted")) && offers_planted(&package("all")));
        assert!(!offers_planted(&package("other")));
    }

    #[test]
    fn weight_counts_names_once_and_ours_not() {
        assert_eq!(
            third_party("gesta v0.1.0 (/x/gesta)\nserde v1.0.0\nserde v1.0.0 (*)\nrand v0.8\nrand v0.9\n"),
            2
        );
    }

    #[test]
    fn a_git_source_is_found() {
        assert_eq!(lock_sources("source = \"git+https://example.org/x\"\n").len(), 1);
    }
}
