//! `laws`: tests of the engine and the store, run with a bug planted that each must notice.
//!
//! For bugs that a server brought down from outside cannot show: one process owns a folder, so nobody takes a
//! checkpoint over; a wakeup is lost only where a test holds it back.

use std::{
    collections::HashMap,
    path::PathBuf,
    process::{Child, Stdio},
    time::{Duration, Instant},
};

use serde_json::Value;

use super::Options;
use crate::{Outcome, process};

/// Bug, crate, test.
const LAWS: &[(&str, &str, &str)] = &[
    ("stale_epoch_accepted", "gesta", "survival::a_zombie_applies_nothing"),
    ("stale_epoch_accepted", "gesta", "zombie::a_processor_whose_save_is_refused_handles_nothing_more"),
    ("dead_letter_overtaken", "gesta", "group::dead_letter_order"),
    (
        "dead_letter_overtaken",
        "gesta",
        "dead_letter_order::a_kill_at_any_call_keeps_the_order_of_each_stream_and_loses_nothing",
    ),
    ("wakeup_needed", "gesta", "survival::a_lost_wakeup_loses_nothing"),
    ("wakeup_needed", "gesta", "processor::a_lost_wakeup_loses_nothing"),
    (
        "torn_tail_kept",
        "gesta-file",
        "crash::a_log_torn_in_its_last_group_opens_with_exactly_its_whole_batches",
    ),
    (
        "torn_tail_kept",
        "gesta-file",
        "damage::a_flipped_bit_in_a_sealed_segment_refuses_that_read_and_no_other",
    ),
    (
        "damage_cut_as_torn",
        "gesta-file",
        "damage::a_flipped_bit_before_the_last_group_of_the_open_segment_refuses_the_start",
    ),
];

/// A test that takes longer does not end, which is a failure as well.
const LONGEST: Duration = Duration::from_secs(60);

pub(super) fn run(options: &Options) -> Outcome {
    let chosen: Vec<_> =
        LAWS.iter().filter(|(bug, ..)| options.planted.as_ref().is_none_or(|only| only == bug)).collect();
    if chosen.is_empty() {
        return Err(format!("laws: no law is run with {:?}", options.planted));
    }
    let binaries = HashMap::from([("gesta", build("gesta")?), ("gesta-file", build("gesta-file")?)]);
    let mut wrong = Vec::new();
    for (bug, package, test) in &chosen {
        let binary = &binaries[package];
        if !passes(binary, test, None)? {
            wrong.push(format!("{package} {test} fails without a bug"));
        }
        if passes(binary, test, Some(bug))? {
            wrong.push(format!(
                "{bug} is not caught by {package} {test}: cargo xtask faults laws --planted {bug}"
            ));
        } else {
            println!("laws: control {bug} is caught by {test}");
        }
    }
    println!("laws: controls caught {} of {}", chosen.len() - wrong.len().min(chosen.len()), chosen.len());
    if wrong.is_empty() { Ok(()) } else { Err(format!("laws: {}", wrong.join("\n  "))) }
}

/// Builds the integration tests of a crate with its planted bugs, and answers with the binary.
pub(super) fn build(package: &str) -> Result<PathBuf, String> {
    let mut cargo = process::cargo();
    cargo.args(["test", "--no-run", "--quiet", "--message-format", "json", "--test", "it"]);
    cargo.args(["--features", "planted", "--package", package]);
    let told = process::read(&mut cargo)?;
    let mut made = told.lines().rev().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let binary = made.find_map(|made| Some(PathBuf::from(made["executable"].as_str()?)));
    binary.ok_or_else(|| format!("cargo built no tests of {package}"))
}

/// Runs one test; whether it passes in time. A name that no test has is an error.
fn passes(binary: &PathBuf, test: &str, bug: Option<&str>) -> Result<bool, String> {
    let mut command = process::program(binary);
    command.args(["--exact", test]).stdout(Stdio::piped()).stderr(Stdio::null());
    match bug {
        Some(bug) => command.env("GESTA_PLANTED", bug),
        None => command.env_remove("GESTA_PLANTED"),
    };
    let mut child = command.spawn().map_err(|cause| format!("{}: {cause}", binary.display()))?;
    let Some(passed) = ended(&mut child)? else { return Ok(false) };
    let told = child.wait_with_output().map_err(|cause| cause.to_string())?;
    let told = String::from_utf8_lossy(&told.stdout).into_owned();
    if told.contains("running 0 tests") {
        return Err(format!("{} has no test {test}", binary.display()));
    }
    Ok(passed)
}

/// Whether it succeeded; `None` when it had to be ended.
fn ended(child: &mut Child) -> Result<Option<bool>, String> {
    let began = Instant::now();
    loop {
        if let Some(status) = child.try_wait().map_err(|cause| cause.to_string())? {
            return Ok(Some(status.success()));
        }
        if began.elapsed() > LONGEST {
            let _ = child.kill();
            let _ = child.wait();
            return Ok(None);
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}
