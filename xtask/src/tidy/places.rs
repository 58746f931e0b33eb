//! What stands where: a tidy root, and nothing that only one machine has.

use std::fs;

use super::{Finding, Rules};
use crate::process;

/// Looks for stray files at the root and for paths of somebody's machine.
pub(super) fn check(paths: &[String], rules: &Rules) -> Vec<Finding> {
    let mut findings: Vec<Finding> = paths.iter().filter_map(|path| stray(path, &rules.root)).collect();
    for path in paths {
        // Anything but text has no line to mend.
        let Ok(text) = fs::read_to_string(process::root().join(path)) else { continue };
        findings.extend(machine_paths(path, &text));
    }
    findings
}

fn stray(path: &str, root: &[String]) -> Option<Finding> {
    let top = path.split('/').next().unwrap_or(path);
    let known = root.iter().any(|entry| entry == top);
    let mend = "living pages go to docs/; reports, plans and copies go nowhere";
    (!known).then(|| Finding::new(path, 1, format!("{top} does not belong at the root"), mend))
}

/// Starts of paths that exist on one machine only. Written in two halves: this file is searched too.
const MACHINE_PATHS: [&str; 4] =
    [concat!("/wo", "rk/"), concat!("/ho", "me/"), concat!("/ro", "ot/"), concat!("../sha", "red")];
/// Settings that tie a build to one package mirror.
const MIRRORS: [&str; 3] = [concat!("[sou", "rce."), concat!("[registr", "ies"), concat!("replace", "-with")];

fn machine_paths(path: &str, text: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (at, line) in text.lines().enumerate() {
        if let Some(found) = MACHINE_PATHS.iter().find(|start| has_path(line, start)) {
            let mend = "name it from the root, from a variable or from a temporary folder";
            findings.push(Finding::new(path, at + 1, format!("a path of one machine: {found}"), mend));
        }
        if MIRRORS.iter().any(|setting| line.contains(setting)) {
            let mend = "leave mirrors to the configuration of the machine";
            findings.push(Finding::new(path, at + 1, "a package mirror", mend));
        }
    }
    findings
}

/// Whether a path begins here, and is not the middle of a URL or of a longer path.
fn has_path(line: &str, start: &str) -> bool {
    line.match_indices(start).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        before.is_none_or(|c| !(c.is_alphanumeric() || matches!(c, '/' | '.' | '-' | '_' | '}' | '$' | '*')))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stray_file_at_the_root_is_found() {
        let root = ["README.md".to_owned(), "docs".to_owned()];
        assert!(stray("PLAN.md", &root).is_some());
        assert!(stray("docs/concepts.md", &root).is_none());
    }

    #[test]
    fn a_machine_path_is_found_and_a_route_is_not() {
        let home = format!("cd {}me/somebody", "/ho");
        assert_eq!(machine_paths("x.md", &home).len(), 1);
        assert_eq!(machine_paths("x.md", "see https://example.org/home/page and crates/root/x").len(), 0);
    }
}
