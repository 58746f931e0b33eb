//! Tests run always, and wait for what happens, not for the clock.

use super::{
    Finding,
    source::{Source, is_comment},
};

/// Looks for tests that are switched off or that sleep.
pub(super) fn check(source: &Source) -> Vec<Finding> {
    let ignored =
        source.numbered().filter(|(_, text)| text.trim_start().starts_with(concat!("#[", "ignore")));
    let ignored = ignored.map(|(line, _)| {
        Finding::new(&source.path, line, "a test that does not run", "let it run, or delete it")
    });
    let asleep = source.tests().filter(|(line, text)| sleeps(text) && !is_allowed(source, *line));
    let mend = "wait for a signal, pause tokio's clock, or look again and again in a loop with a bound";
    let asleep = asleep.map(|(line, _)| Finding::new(&source.path, line, "a test that sleeps", mend));
    ignored.chain(asleep).collect()
}

fn sleeps(line: &str) -> bool {
    !is_comment(line) && line.contains(concat!("sleep", "("))
}

/// Whether a line stands in a loop, which polls or paces, in a function that says it waits, or runs on paused time.
fn is_allowed(source: &Source, line: usize) -> bool {
    let indent = |text: &str| text.len() - text.trim_start().len();
    let mut depth = source.upwards(line).next().map_or(0, indent);
    let mut above = source.upwards(line).skip(1).filter(|text| !text.trim().is_empty()).peekable();
    while let Some(text) = above.next_if(|text| !text.contains("fn ")) {
        if indent(text) < depth {
            depth = indent(text);
            if ["while ", "loop ", "for "].iter().any(|word| text.trim_start().starts_with(word)) {
                return true;
            }
        }
    }
    let name = above.next().unwrap_or_default();
    let waits = ["until", "wait", "poll", "eventually"].iter().any(|word| name.contains(word));
    waits
        || above
            .take_while(|text| text.trim_start().starts_with("#["))
            .any(|text| text.contains("start_paused"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> usize {
        check(&Source::new("a/tests/it/x.rs", text)).len()
    }

    #[test]
    fn a_sleeping_test_is_found() {
        assert_eq!(found(concat!("#[test]\nfn a() {\n    thread::sl", "eep(SECOND);\n}")), 1);
        assert_eq!(found("#[ignore]\n#[test]\nfn a() {}"), 1);
    }

    /// This file is searched too, so the word is put in late.
    fn found_napping(text: &str) -> usize {
        found(&text.replace("NAP", "sleep"))
    }

    #[test]
    fn polls_and_paused_time_pass() {
        assert_eq!(found_napping("fn until_ready() {\n    thread::NAP(TICK);\n}"), 0);
        assert_eq!(
            found_napping(
                "fn a() {\n    while !ready() {\n        check();\n        thread::NAP(TICK);\n    }\n}"
            ),
            0
        );
        assert_eq!(
            found_napping(
                "#[tokio::test(start_paused = true)]\nasync fn a() {\n    time::NAP(HOUR).await;\n}"
            ),
            0
        );
    }
}
