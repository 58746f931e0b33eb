//! Library code that explains itself.

use std::collections::BTreeMap;

use super::{Finding, Rules, source::Source};

/// Least doc lines per hundred lines of code.
const FLOOR: usize = 15;

/// Looks for library crates with too few doc lines.
pub(super) fn check(sources: &[Source], rules: &Rules) -> Vec<Finding> {
    let shares = shares(sources);
    let least = |package: &str| rules.thin_docs.get(package).copied().unwrap_or(FLOOR);
    let thin = shares.iter().filter(|(package, share)| **share < least(package));
    let mend = "say what each public item promises, in which unit, and when it fails";
    let what = |package: &str, share| {
        format!("{share} doc lines per 100 lines of code, at least {}", least(package))
    };
    thin.map(|(package, share)| Finding::new(format!("{package}/src/lib.rs"), 1, what(package, share), mend))
        .collect()
}

fn shares(sources: &[Source]) -> BTreeMap<String, usize> {
    let mut counts: BTreeMap<String, (usize, usize)> = BTreeMap::new();
    for source in sources.iter().filter(|source| source.is_library() && source.path.contains("/src/")) {
        let (docs, code) = counts.entry(source.package().to_owned()).or_default();
        for (_, line) in source.code() {
            match line.trim_start() {
                text if text.starts_with("///") || text.starts_with("//!") => *docs += 1,
                text if text.is_empty() || text.starts_with("//") => {}
                _ => *code += 1,
            }
        }
    }
    counts
        .into_iter()
        .filter(|(_, (_, code))| *code > 0)
        .map(|(name, (docs, code))| (name, docs * 100 / code))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_counts_code_outside_tests() {
        let text = "/// Says it.\nfn a() {}\n\n// why\n#[cfg(test)]\nmod tests {\n fn b() {}\n}";
        let sources = [Source::new("crates/a/src/lib.rs", text)];
        assert_eq!(shares(&sources), BTreeMap::from([("crates/a".into(), 100)]));
    }
}
