//! How long files and functions may be.

use std::collections::BTreeMap;

use super::{Finding, Rules, source::Source};

const FILE: usize = 500;
const MAIN: usize = 60;
const SQL: usize = 40;
/// Most lines of a migration: one step of a schema, however many statements it is.
const MIGRATION: usize = 200;
const FUNCTION: usize = 70;

/// Looks for files and functions beyond their limit or beyond their entry in `tidy.toml`.
pub(super) fn check(sources: &[Source], rules: &Rules) -> Vec<Finding> {
    let mut findings: Vec<Finding> =
        sources.iter().filter_map(|source| file(source, &rules.long_files)).collect();
    findings.extend(sources.iter().flat_map(|source| functions(source, &rules.long_functions)));
    findings.extend(stale(sources, &rules.long_files));
    findings
}

/// How much code there is, in one line.
pub(super) fn total(sources: &[Source]) -> String {
    let rust = |source: &&Source| source.path.ends_with(".rs");
    let lines: usize = sources.iter().filter(rust).map(|source| source.lines.len()).sum();
    let tests: usize = sources.iter().filter(rust).map(|source| source.tests().count()).sum();
    format!("{lines} lines of Rust, {tests} of them tests")
}

fn limit(path: &str) -> usize {
    match path {
        path if path.contains("/migrations/") => MIGRATION,
        path if path.ends_with(".sql") => SQL,
        path if path.ends_with("src/main.rs") => MAIN,
        _ => FILE,
    }
}

fn file(source: &Source, old: &BTreeMap<String, usize>) -> Option<Finding> {
    let most = old.get(&source.path).copied().unwrap_or(limit(&source.path));
    let lines = source.lines.len();
    (lines > most).then(|| Finding {
        path: source.path.clone(),
        line: most + 1,
        what: format!("{lines} lines, at most {most}"),
        mend: "find the second idea in the file and give it a file of its own",
    })
}

/// Formatted code closes a function at the indentation it began at.
fn functions(source: &Source, old: &BTreeMap<String, usize>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (number, text) in source.numbered().filter(|_| source.path.ends_with(".rs")) {
        let Some(name) = function_name(text) else { continue };
        let indent = &text[..text.len() - text.trim_start().len()];
        let end = format!("{indent}}}");
        let declared = format!("{indent})");
        let ends = |line: &String| *line == end || (line.starts_with(&declared) && line.ends_with(';'));
        let Some(lines) = source.lines[number - 1..].iter().position(ends) else { continue };
        let most = old.get(&format!("{}::{name}", source.path)).copied().unwrap_or(FUNCTION);
        if lines + 1 > most {
            findings.push(Finding {
                path: source.path.clone(),
                line: number,
                what: format!("function {name} has {} lines, at most {most}", lines + 1),
                mend: "let it decide and leave the work to smaller functions",
            });
        }
    }
    findings
}

fn function_name(line: &str) -> Option<&str> {
    let code = line.trim_start();
    let declares =
        ["fn ", "pub ", "pub(", "async fn ", "const fn "].iter().any(|start| code.starts_with(start));
    let (_, rest) =
        code.split_once("fn ").filter(|_| declares && !code.ends_with(';') && !code.ends_with('}'))?;
    Some(rest.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or(rest))
}

fn stale(sources: &[Source], old: &BTreeMap<String, usize>) -> Vec<Finding> {
    let still =
        |path: &str| sources.iter().any(|source| source.path == path && source.lines.len() > limit(path));
    let gone = old.keys().filter(|path| !still(path));
    gone.map(|path| Finding {
        path: "xtask/tidy.toml".into(),
        line: 1,
        what: format!("long_files still names {path}, which is short enough now"),
        mend: "take its line out",
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_file_and_a_long_function_are_found() {
        let body = "    let a = 1;\n".repeat(FUNCTION);
        let source = Source::new("a/src/x.rs", &format!("pub(crate) async fn long(\n) {{\n{body}}}\n"));
        assert_eq!(functions(&source, &BTreeMap::new()).len(), 1);
        assert_eq!(functions(&source, &BTreeMap::from([("a/src/x.rs::long".into(), 200)])).len(), 0);
        let long = Source::new("a/src/main.rs", &"\n".repeat(MAIN + 1));
        assert!(file(&long, &BTreeMap::new()).is_some());
        assert!(file(&long, &BTreeMap::from([("a/src/main.rs".into(), MAIN + 1)])).is_none());
    }
}
