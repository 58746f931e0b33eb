//! One word per idea: names that say nothing, and code that gives up.

use super::{
    Finding,
    source::{Source, is_comment},
};

/// Names that fit everything, so they tell nothing.
const EMPTY_WORDS: [&str; 4] = ["service", "manager", "util", "helper"];
/// The event service is what the product calls itself.
const GIVEN_NAMES: [&str; 2] = ["EventServiceClient", "event_service"];

/// Looks at the names a file gives and at `unwrap` outside tests.
pub(super) fn check(source: &Source) -> Vec<Finding> {
    let mut findings: Vec<Finding> = file_name(source).into_iter().collect();
    for (line, text) in source.numbered().filter(|(_, text)| !is_comment(text)) {
        if let Some(name) = declared(text).filter(|name| is_empty_word(name)) {
            findings.push(finding(source, line, format!("{name:?} tells nothing")));
        }
    }
    findings.extend(unwraps(source));
    findings
}

fn finding(source: &Source, line: usize, what: String) -> Finding {
    let mend = "name it for what it is: service, manager, util and helper fit everything";
    Finding::new(&source.path, line, what, mend)
}

fn file_name(source: &Source) -> Option<Finding> {
    let named = |part: &str| is_empty_word(part.trim_end_matches(".rs"));
    let empty = source.path.split('/').any(named);
    let module = source.path.ends_with("/mod.rs");
    let mend = "name the file for its module, beside its folder: saga.rs and saga/";
    (empty || module).then(|| match module {
        true => Finding::new(&source.path, 1, "a mod.rs", mend),
        false => finding(source, 1, "the file's name tells nothing".into()),
    })
}

/// The type or module a line declares.
fn declared(line: &str) -> Option<&str> {
    let mut words = line.split_whitespace().skip_while(|word| word.starts_with("pub") || word.ends_with(')'));
    let keyword = words.next()?;
    let declares = matches!(keyword, "mod" | "struct" | "enum" | "trait" | "type");
    let name = words.next().filter(|_| declares)?;
    Some(name.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or(name))
}

fn is_empty_word(name: &str) -> bool {
    let plain = name.to_lowercase();
    let ends = |word: &&str| plain.ends_with(*word) || plain.ends_with(&format!("{word}s"));
    !GIVEN_NAMES.contains(&name) && EMPTY_WORDS.iter().any(ends)
}

fn unwraps(source: &Source) -> Vec<Finding> {
    let given_up =
        source.code().filter(|(_, text)| !is_comment(text) && text.contains(concat!(".unwrap", "()")));
    let mend = "return the error, or say in expect(\"...\") why it cannot fail";
    given_up.map(|(line, _)| Finding::new(&source.path, line, "an unwrap outside tests", mend)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(path: &str, text: &str) -> usize {
        check(&Source::new(path, text)).len()
    }

    #[test]
    fn an_empty_word_is_found_wherever_a_name_is_given() {
        assert_eq!(
            found("a/src/x.rs", "pub(crate) struct LogManager;\nmod utils;\npub trait EventService {"),
            3
        );
        assert_eq!(found("a/src/helpers.rs", ""), 1);
        assert_eq!(found("a/src/x/mod.rs", ""), 1);
    }

    #[test]
    fn prose_and_given_names_pass() {
        assert_eq!(
            found("a/src/x.rs", "/// struct Helper\npub struct EventServiceClient;\nlet service = 1;"),
            0
        );
    }

    #[test]
    fn an_unwrap_counts_outside_tests_only() {
        let code = "fn a() { b.unwrap(); }\n#[cfg(test)]\nmod tests {\nfn a() { b.unwrap(); }\n}";
        assert_eq!(found("a/src/x.rs", code), 1);
    }
}
