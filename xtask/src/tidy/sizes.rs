//! How long files and functions may be.

use super::{Finding, source::Source};

const FILE: usize = 500;
const MAIN: usize = 60;
const SQL: usize = 40;
/// Most lines of a migration: one step of a schema, however many statements it is.
const MIGRATION: usize = 200;
const FUNCTION: usize = 70;

/// Looks for a file or functions beyond their limit.
pub(super) fn check(source: &Source) -> Vec<Finding> {
    file(source).into_iter().chain(functions(source)).collect()
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

fn file(source: &Source) -> Option<Finding> {
    let (most, lines) = (limit(&source.path), source.lines.len());
    let mend = "find the second idea in the file and give it a file of its own";
    (lines > most)
        .then(|| Finding::new(&source.path, most + 1, format!("{lines} lines, at most {most}"), mend))
}

/// Formatted code closes a function at the indentation it began at.
fn functions(source: &Source) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (number, text) in source.numbered().filter(|_| source.path.ends_with(".rs")) {
        let Some(name) = function_name(text) else { continue };
        let indent = &text[..text.len() - text.trim_start().len()];
        let end = format!("{indent}}}");
        let declared = format!("{indent})");
        let ends = |line: &String| *line == end || (line.starts_with(&declared) && line.ends_with(';'));
        let Some(lines) = source.lines[number - 1..].iter().position(ends) else { continue };
        if lines >= FUNCTION {
            let what = format!("function {name} has {} lines, at most {FUNCTION}", lines + 1);
            let mend = "let it decide and leave the work to smaller functions";
            findings.push(Finding::new(&source.path, number, what, mend));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_file_and_a_long_function_are_found() {
        let body = "    let a = 1;\n".repeat(FUNCTION);
        let source = Source::new("a/src/x.rs", &format!("pub(crate) async fn long(\n) {{\n{body}}}\n"));
        assert_eq!(functions(&source).len(), 1);
        let short = Source::new("a/src/x.rs", &format!("fn short() {{\n{}}}\n", &body[..body.len() / 2]));
        assert_eq!(functions(&short).len(), 0);
        assert!(file(&Source::new("a/src/main.rs", &"\n".repeat(MAIN + 1))).is_some());
        assert!(file(&Source::new("a/src/main.rs", &"\n".repeat(MAIN))).is_none());
    }
}
