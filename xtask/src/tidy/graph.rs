//! Who may use whom, and how much foreign code comes along.

use std::collections::{BTreeMap, BTreeSet};

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
    dependencies: Vec<Dependency>,
    features: BTreeMap<String, Vec<String>>,
}

#[derive(Debug, Deserialize)]
struct Dependency {
    name: String,
    kind: Option<String>,
    source: Option<String>,
}

/// Looks at the direction of our crates, their third-party weight, their default features and the lock file.
pub(super) fn check(rules: &Rules) -> Result<Vec<Finding>, String> {
    let metadata = process::cargo().args(["metadata", "--no-deps", "--format-version", "1"]).output();
    let metadata = metadata.map_err(|cause| format!("cargo metadata does not start: {cause}"))?;
    let Metadata { packages } = serde_json::from_slice(&metadata.stdout).map_err(|cause| {
        format!("cargo metadata: {cause}: {}", String::from_utf8_lossy(&metadata.stderr).trim())
    })?;

    let mut findings: Vec<Finding> = packages.iter().flat_map(|package| direction(package, rules)).collect();
    findings.extend(packages.iter().filter(|package| offers_planted(package)).map(planted));
    for (package, most) in &rules.weight {
        findings.extend(weight(package, *most)?);
    }
    let lock =
        std::fs::read_to_string(process::root().join("Cargo.lock")).map_err(|cause| cause.to_string())?;
    findings.extend(lock_sources(&lock));
    Ok(findings)
}

fn direction(package: &Package, rules: &Rules) -> Vec<Finding> {
    let Some(allowed) = rules.direction.get(&package.name) else {
        return vec![Finding {
            path: "xtask/tidy.toml".into(),
            line: 1,
            what: format!("no direction for the crate {}", package.name),
            mend: "write down which of our crates it may use",
        }];
    };
    let ours = package
        .dependencies
        .iter()
        .filter(|used| used.source.is_none() && used.kind.as_deref() != Some("dev"));
    ours.filter(|used| !allowed.contains(&used.name))
        .map(|used| Finding {
            path: manifest(&package.name),
            line: 1,
            what: format!("{} uses {}", package.name, used.name),
            mend: "dependencies point one way: see the table in xtask/tidy.toml and ARCHITECTURE.md",
        })
        .collect()
}

fn manifest(package: &str) -> String {
    if matches!(package, "bench" | "xtask") {
        format!("{package}/Cargo.toml")
    } else {
        format!("crates/{package}/Cargo.toml")
    }
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
    Finding {
        path: manifest(&package.name),
        line: 1,
        what: "the feature `planted` is on by default".into(),
        mend: "take it out of the default set: it holds deliberate bugs",
    }
}

/// Counts third-party crates of the normal and build graph, by name.
fn weight(package: &str, most: usize) -> Result<Option<Finding>, String> {
    let mut tree = process::cargo();
    tree.args([
        "tree",
        "--edges",
        "normal,build",
        "--prefix",
        "none",
        "--format",
        "{p}",
        "--package",
        package,
    ]);
    let listed = process::read(&mut tree)?;
    let count = third_party(&listed);
    if count < most {
        println!("tidy: note: {package} has {count} third-party crates; its ceiling {most} may come down");
    }
    Ok((count > most).then(|| Finding {
        path: manifest(package),
        line: 1,
        what: format!("{count} third-party crates behind {package}, at most {most}"),
        mend: "do without the new one, or choose a lighter one (cargo tree -e normal,build)",
    }))
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
    foreign
        .map(|(at, line)| Finding {
            path: "Cargo.lock".into(),
            line: at + 1,
            what: format!("a crate from elsewhere: {line}"),
            mend: "take crates from crates.io only",
        })
        .collect()
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
        let package =
            |default| Package { name: "a".into(), dependencies: vec![], features: features(default) };
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
