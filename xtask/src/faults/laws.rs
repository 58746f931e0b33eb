//! `laws`: tests of the engine and the store, run with a bug planted that each must notice.
//!
//! For bugs that a server brought down from outside cannot show: one process owns a folder, so nobody takes a
//! checkpoint over; a wakeup is lost only where a test holds it back.

use std::time::Duration;

use super::{Options, proof::Proof};
use crate::{Outcome, process, programs::PLANTED};

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
    let binaries = PLANTED.tests()?;
    let mut wrong = Vec::new();
    for (bug, package, test) in &chosen {
        let binary = binaries.get(*package).ok_or_else(|| format!("cargo built no tests of {package}"))?;
        let run = |bug| {
            let mut tests = process::program(binary);
            tests.args(["--exact", test]);
            Proof::run(tests, bug, LONGEST)
        };
        if !run(None)?.holds {
            wrong.push(format!("{package} {test} fails without a bug"));
        }
        if run(Some(bug))?.holds {
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
