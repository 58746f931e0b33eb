//! What the pages show is what is compiled and run.

use std::{fs, path::Path};

const PAGES: [&str; 3] = ["first-domain.md", "upcasting-and-snapshots.md", "testing.md"];
/// Programs whose tests the gate runs.
const PROGRAMS: [&str; 2] = ["examples/first_domain.rs", "examples/upcasting.rs"];
/// Tests that pages quote.
const TESTS: [&str; 1] = ["tests/it/write_side/upcasters.rs"];

/// Every Rust block of a page stands in a program, line for line; only its indentation may differ.
#[test]
fn every_block_of_the_pages_stands_in_a_program() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let read =
        |path: &Path| fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let programs: Vec<String> =
        PROGRAMS.iter().chain(&TESTS).map(|name| plain(&read(&here.join(name)))).collect();
    for page in PAGES {
        let text = read(&here.join("../../docs").join(page));
        let blocks: Vec<&str> = text.split("\n```rust\n").skip(1).collect();
        assert!(!blocks.is_empty(), "{page} shows no code");
        for block in blocks {
            let code = block.split("\n```").next().unwrap_or_default();
            let found = programs.iter().any(|program| program.contains(&plain(code)));
            assert!(found, "docs/{page} shows what is in no program:\n{code}");
        }
    }
}

/// Whoever copies the blocks of the first page has the program, up to the tests that other pages show.
#[test]
fn the_first_page_shows_the_whole_program() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(here.join("../../docs/first-domain.md")).expect("is there");
    let program = fs::read_to_string(here.join("examples/first_domain.rs")).expect("is there");
    let page = plain(&page);
    let (shown, _) = program.split_once("fn any_command()").expect("the second test begins so");
    for line in plain(shown).lines().filter(|line| !line.starts_with("//!") && !line.is_empty()) {
        assert!(page.contains(line), "docs/first-domain.md leaves out: {line}");
    }
}

/// The lines without indentation.
fn plain(code: &str) -> String {
    code.lines().map(str::trim).collect::<Vec<_>>().join("\n")
}
