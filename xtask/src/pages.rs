//! `cargo xtask pages`: runs the commands of the documents as a reader would.
//!
//! A block ```` ```sh serve ```` is started and left running, ```` ```sh run ```` is run to its end, and a block `text shows` or
//! `json shows` behind it is what it must have printed: `…` stands for any text, and in `json` white space does not
//! count. Every page has a folder and a server of its own. Two things differ from what is written: the port is one
//! that is free, and what is written as `cargo run …` is a program that the gate has built already.

use std::{fs, path::PathBuf};

use crate::{Outcome, gate::Counts, process, programs::Build};

mod block;
mod session;

use block::Block;
use session::Session;

const PAGES: [&str; 5] =
    ["README.md", "docs/quick-start.md", "docs/http.md", "docs/sdk.md", "docs/orders.md"];

/// Runs these pages, or those of the gate.
pub(crate) fn run(names: &[String]) -> Outcome {
    let mut counts = Counts::default();
    let names: Vec<&str> =
        if names.is_empty() { PAGES.to_vec() } else { names.iter().map(String::as_str).collect() };
    pages(&names, &mut counts)
}

/// The same as a step of the gate.
pub(crate) fn step(counts: &mut Counts) -> Outcome {
    pages(&PAGES, counts)
}

fn pages(names: &[&str], counts: &mut Counts) -> Outcome {
    Build::default().targets(&["--bin", "gesta", "--bin", "orders", "--examples"])?;
    let mut failures = Vec::new();
    for name in names {
        match page(name, counts) {
            Ok(commands) => println!("pages: {name}: {commands} blocks did what they say"),
            Err(reason) => {
                counts.failed += 1;
                failures.push(format!("{name}: {reason}"));
            }
        }
    }
    if failures.is_empty() { Ok(()) } else { Err(failures.join("\n")) }
}

fn page(name: &str, counts: &mut Counts) -> Result<usize, String> {
    let text = fs::read_to_string(process::root().join(name)).map_err(|cause| cause.to_string())?;
    let blocks = block::read(&text);
    let mut session = Session::new(&folder(name))?;
    if blocks.is_empty() {
        return Err("no command to run: mark blocks as `sh run`".into());
    }
    for Block { line, script, shows } in &blocks {
        let done = match shows {
            None => session.serve(script),
            Some(shows) => session.run(script).and_then(|printed| shows.check(&printed)),
        };
        done.map_err(|reason| format!("line {line}: {reason}"))?;
        counts.passed += 1;
    }
    Ok(blocks.len())
}

fn folder(name: &str) -> PathBuf {
    process::target().join("pages").join(name.replace(['/', '.'], "-"))
}
