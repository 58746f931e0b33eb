//! A source file as tidy sees it: lines, and from where on they are tests.

/// A file of code.
#[derive(Debug)]
pub(super) struct Source {
    /// Its path from the root.
    pub(super) path: String,
    /// Its lines.
    pub(super) lines: Vec<String>,
    /// How many lines come before its tests: none of them in a test file.
    code: usize,
}

impl Source {
    /// Takes a file apart.
    pub(super) fn new(path: &str, text: &str) -> Self {
        let lines: Vec<String> = text.lines().map(str::to_owned).collect();
        let foot = || tests_at_foot(&lines).unwrap_or(lines.len());
        let code = if is_test_file(path) { 0 } else { foot() };
        Self { path: path.to_owned(), lines, code }
    }

    /// The crate's folder: `crates/gesta`, `bench` or `xtask`.
    pub(super) fn package(&self) -> &str {
        let depth = if self.path.starts_with("crates/") { 2 } else { 1 };
        let end = self.path.match_indices('/').nth(depth - 1).map_or(self.path.len(), |(at, _)| at);
        &self.path[..end]
    }

    /// Whether other crates build upon it.
    pub(super) fn is_library(&self) -> bool {
        self.path.starts_with("crates/") && !self.path.starts_with("crates/gesta-cli/")
    }

    /// Lines of code proper, with their numbers.
    pub(super) fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        self.numbered().take(self.code)
    }

    /// Lines of tests, with their numbers.
    pub(super) fn tests(&self) -> impl Iterator<Item = (usize, &str)> {
        self.numbered().skip(self.code)
    }

    /// All lines, with their numbers.
    pub(super) fn numbered(&self) -> impl Iterator<Item = (usize, &str)> {
        self.lines.iter().enumerate().map(|(at, line)| (at + 1, line.as_str()))
    }

    /// The lines from this one upwards, itself first.
    pub(super) fn upwards(&self, number: usize) -> impl Iterator<Item = &str> {
        self.lines[..number].iter().rev().map(String::as_str)
    }
}

/// Whether a line is nothing but a comment.
pub(super) fn is_comment(line: &str) -> bool {
    line.trim_start().starts_with("//")
}

fn is_test_file(path: &str) -> bool {
    let in_folder = |name| path.contains(&format!("/{name}/"));
    in_folder("tests") || in_folder("benches") || in_folder("examples") || path.ends_with("/tests.rs")
}

fn tests_at_foot(lines: &[String]) -> Option<usize> {
    lines
        .windows(2)
        .position(|pair| pair[0] == "#[cfg(test)]" && pair[1].ends_with('{') && pair[1].contains("mod "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_begin_at_the_foot() {
        let source = Source::new("crates/a/src/x.rs", "fn a() {}\n\n#[cfg(test)]\nmod tests {\n}\n");
        assert_eq!((source.code().count(), source.tests().count()), (2, 3));
        assert_eq!(source.package(), "crates/a");
    }

    #[test]
    fn a_file_under_tests_is_all_test() {
        let source = Source::new("crates/a/tests/it/main.rs", "fn a() {}\n");
        assert_eq!((source.code().count(), source.tests().count()), (0, 1));
    }
}
