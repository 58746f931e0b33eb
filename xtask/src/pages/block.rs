//! The commands of a Markdown page, and what they show.

/// A block of commands.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Block {
    /// Where it begins.
    pub(super) line: usize,
    /// What is run.
    pub(super) script: String,
    /// What it prints when it is run to its end; nothing for what is started and left running.
    pub(super) shows: Option<Shows>,
}

/// What a block must print.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Shows {
    /// Whatever it likes.
    Anything,
    /// These lines.
    Text(String),
    /// This JSON, however it is laid out.
    Json(String),
}

impl Shows {
    /// Compares with what was printed.
    pub(super) fn check(&self, printed: &str) -> Result<(), String> {
        let as_shown = match self {
            Self::Anything => true,
            Self::Text(shown) => matches(shown.trim(), printed.trim()),
            Self::Json(shown) => matches(&dense(shown), &dense(printed)),
        };
        if as_shown {
            Ok(())
        } else {
            Err(format!("printed something else than it shows:\n{}", printed.trim()))
        }
    }
}

/// Reads the blocks of a page, in order.
pub(super) fn read(page: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut lines = page.lines().enumerate();
    while let Some((at, line)) = lines.next() {
        let Some(info) = line.strip_prefix("```").filter(|info| !info.is_empty()) else { continue };
        let inside = lines.by_ref().map(|(_, line)| line).take_while(|line| *line != "```");
        let text = inside.collect::<Vec<_>>().join("\n");
        match info {
            "sh serve" => blocks.push(Block { line: at + 1, script: text, shows: None }),
            "sh run" => blocks.push(Block { line: at + 1, script: text, shows: Some(Shows::Anything) }),
            "text shows" => show(&mut blocks, Shows::Text(text)),
            "json shows" => show(&mut blocks, Shows::Json(text)),
            _ => {}
        }
    }
    blocks
}

fn show(blocks: &mut [Block], shown: Shows) {
    if let Some(Block { shows: Some(shows), .. }) = blocks.last_mut() {
        *shows = shown;
    }
}

fn dense(text: &str) -> String {
    text.split_whitespace().collect()
}

/// Whether `text` is `pattern`, in which `…` stands for any text.
fn matches(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('…');
    let Some(mut rest) = parts.next().and_then(|first| text.strip_prefix(first)) else { return false };
    let parts: Vec<&str> = parts.collect();
    let Some((last, between)) = parts.split_last() else { return rest.is_empty() };
    for part in between {
        match rest.split_once(part) {
            Some((_, behind)) => rest = behind,
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_gives_its_blocks_in_order() {
        let page = "# x\n```sh serve\ngesta serve\n```\n```sh\nnot run\n```\n```sh run\necho 1\n```\n```text shows\n1\n```\n";
        let serve = Block { line: 2, script: "gesta serve".into(), shows: None };
        let run = Block { line: 8, script: "echo 1".into(), shows: Some(Shows::Text("1".into())) };
        assert_eq!(read(page), [serve, run]);
    }

    #[test]
    fn an_ellipsis_stands_for_any_text() {
        assert!(matches("a…c…e", "abcde") && matches("…", "") && matches("ab", "ab"));
        assert!(!matches("a…c", "abd") && !matches("a…", "ba") && !matches("ab", "abc"));
    }

    #[test]
    fn json_is_compared_however_it_is_laid_out() {
        let shown = Shows::Json("{\n  \"id\": \"…\",\n  \"version\": 1\n}".into());
        assert!(shown.check("{\"id\":\"7f\",\"version\":1}\n").is_ok());
        assert!(shown.check("{\"id\":\"7f\",\"version\":2}\n").is_err());
    }
}
