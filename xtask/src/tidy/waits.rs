//! Tests run always, and wait for what happens, not for the clock.

use super::{
    Finding,
    source::{Source, is_comment},
};

/// Looks for tests that are switched off or that sleep.
pub(super) fn check(source: &Source) -> Vec<Finding> {
    let ignored =
        source.numbered().filter(|(_, text)| text.trim_start().starts_with(concat!("#[", "ignore")));
    let ignored = ignored.map(|(line, _)| Finding {
        path: source.path.clone(),
        line,
        what: "a test that does not run".into(),
        mend: "let it run, or delete it",
    });
    let asleep = source.tests().filter(|(line, text)| sleeps(text) && !is_allowed(source, *line));
    let asleep = asleep.map(|(line, _)| Finding {
        path: source.path.clone(),
        line,
        what: "a test that sleeps".into(),
        mend: "wait for a signal or pause tokio's clock; a bounded poll says so: a function until_*/wait_*/poll_* or \
               a comment with the word poll",
    });
    ignored.chain(asleep).collect()
}

fn sleeps(line: &str) -> bool {
    !is_comment(line) && line.contains(concat!("sleep", "("))
}

/// Whether the function around a line polls something, or runs on paused time.
fn is_allowed(source: &Source, line: usize) -> bool {
    let near = source.upwards(line).take(4).any(|text| text.contains("//") && text.contains("poll"));
    let mut above = source.upwards(line).skip_while(|text| !text.contains("fn "));
    let name = above.next().unwrap_or_default();
    let polls = ["until", "wait", "poll", "eventually"].iter().any(|word| name.contains(word));
    let paused = above
        .take_while(|text| text.trim_start().starts_with("#["))
        .any(|text| text.contains("start_paused"));
    near || polls || paused
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

    #[test]
    fn polls_and_paused_time_pass() {
        assert_eq!(found("fn until_ready() {\n    thread::sleep(TICK);\n}"), 0);
        assert_eq!(
            found("fn a() {\n    // A poll, bounded by the deadline above.\n    thread::sleep(TICK);\n}"),
            0
        );
        assert_eq!(
            found("#[tokio::test(start_paused = true)]\nasync fn a() {\n    time::sleep(HOUR).await;\n}"),
            0
        );
    }
}
