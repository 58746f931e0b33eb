//! `cargo xtask openapi`: the golden OpenAPI document, and the page that shows every route of it.

use std::fs;

use serde_json::Value;

use crate::{Outcome, process};

const DOCUMENT: &str = "crates/gesta-server/openapi.json";
const PAGE: &str = "docs/http.md";

/// Writes the document anew from the routes, or compares it with `--check`.
pub(crate) fn run(arguments: &[String]) -> Outcome {
    match arguments {
        [] => {
            process::run(golden_test().env("GESTA_WRITE_OPENAPI", "1"))?;
            println!("{DOCUMENT} is written: review what changed like code");
            shown()
        }
        [check] if check == "--check" => check_all(),
        _ => Err("openapi takes nothing or --check".into()),
    }
}

/// Compares the document with the routes, and the page with the document.
pub(crate) fn check_all() -> Outcome {
    process::run(&mut golden_test())?;
    shown()
}

/// The server's own test of the document, which writes it when told so.
fn golden_test() -> std::process::Command {
    let mut command = process::cargo();
    // Of the whole workspace, as the gate has built it; no other crate has tests of this name.
    command.args(["test", "--quiet", "--locked", "--workspace", "--test", "it", "openapi::"]);
    command
}

fn shown() -> Outcome {
    let text =
        |path| fs::read_to_string(process::root().join(path)).map_err(|cause| format!("{path}: {cause}"));
    let document: Value =
        serde_json::from_str(&text(DOCUMENT)?).map_err(|cause| format!("{DOCUMENT}: {cause}"))?;
    let missing = missing(&document, &text(PAGE)?);
    if missing.is_empty() { Ok(()) } else { Err(format!("{PAGE} does not show {}", missing.join(", "))) }
}

/// The paths that the page does not show: as they are, or with something in place of each `{…}`.
fn missing(document: &Value, page: &str) -> Vec<String> {
    let paths = document["paths"].as_object().into_iter().flatten().map(|(path, _)| path);
    paths
        .filter(|path| !page.split([' ', '`', '\'', '\n', '?', '"']).any(|word| is_shown(path, word)))
        .cloned()
        .collect()
}

fn is_shown(path: &str, word: &str) -> bool {
    let word = word.strip_prefix("http://127.0.0.1:8087").unwrap_or(word);
    let (parts, words): (Vec<_>, Vec<_>) = (path.split('/').collect(), word.split('/').collect());
    let stands_for =
        |(part, word): (&&str, &&str)| part == word || (part.starts_with('{') && !word.is_empty());
    parts.len() == words.len() && parts.iter().zip(&words).all(stands_for)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_that_the_page_lacks_is_named() {
        let document = serde_json::json!({"paths": {"/a/{id}": {}, "/b": {}, "/c": {}}});
        let page = "curl -s http://127.0.0.1:8087/a/7\n`GET /b`";
        assert_eq!(missing(&document, page), ["/c"]);
    }
}
