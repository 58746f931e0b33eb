//! `cargo test`, and what it counted.

use std::{
    io::{BufRead, BufReader},
    process::Stdio,
};

use crate::{Outcome, process, servers};

/// Checks so far.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Passed.
    pub(crate) passed: u64,
    /// Failed.
    pub(crate) failed: u64,
    /// Switched off.
    pub(crate) ignored: u64,
    /// Not asked for.
    pub(crate) filtered: u64,
}

/// Runs every test of the workspace and adds what it counted.
pub(super) fn cargo_tests(counts: &mut Counts) -> Outcome {
    let mut command = process::cargo();
    command.args(["test", "--workspace", "--locked", "--no-fail-fast"]).stdout(Stdio::piped());
    command.envs(servers::variables());
    let mut child = command.spawn().map_err(|cause| format!("cargo test does not start: {cause}"))?;
    let output = child.stdout.take().ok_or("cargo test has no output")?;
    let (mut binaries, before) = (0, *counts);
    for line in BufReader::new(output).lines().map_while(Result::ok) {
        println!("{line}");
        binaries += u64::from(add(counts, &line));
    }
    let status = child.wait().map_err(|cause| format!("cargo test: {cause}"))?;
    let (passed, failed) = (counts.passed - before.passed, counts.failed - before.failed);
    println!("gate: {passed} tests passed and {failed} failed in {binaries} binaries");
    if status.success() { Ok(()) } else { Err(format!("cargo test failed ({status})")) }
}

/// Adds a line such as `test result: ok. 3 passed; 0 failed; …`; says whether it was one.
fn add(counts: &mut Counts, line: &str) -> bool {
    let Some((_, parts)) = line.strip_prefix("test result: ").and_then(|rest| rest.split_once(". ")) else {
        return false;
    };
    for part in parts.split("; ") {
        let Some((number, what)) = part.split_once(' ') else { continue };
        let number = number.parse().unwrap_or(0);
        match what {
            "passed" => counts.passed += number,
            "failed" => counts.failed += number,
            "ignored" => counts.ignored += number,
            "filtered out" => counts.filtered += number,
            _ => {}
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_add_up() {
        let mut counts = Counts::default();
        for line in [
            "test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 2 filtered out; finished in 0.01s",
            "test a ... ok",
            "test result: FAILED. 4 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.01s",
        ] {
            add(&mut counts, line);
        }
        assert_eq!(counts, Counts { passed: 7, failed: 1, ignored: 1, filtered: 2 });
    }
}
