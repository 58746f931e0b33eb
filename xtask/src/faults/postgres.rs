//! `postgres`: a PostgreSQL server is broken under two stores, and the log's order is put to the test.
//!
//! The proofs are tests of `gesta-postgres`, run here in the size that was asked for, and then with bugs planted
//! that they must notice. They start servers of their own, and end them.

use std::time::Duration;

use super::{Options, binary::Binaries, caught, proof::Proof};
use crate::{
    Outcome, process,
    programs::PLANTED,
    servers::{self, Server},
};

mod two_servers;

/// What is run honestly: faults of the server, then order, each with the controls that need no planted bug.
const PROOFS: [&str; 2] = ["server_faults::", "gapless::"];

/// Bug, and the test that must notice it.
const CONTROLS: [(&str, &str); 4] = [
    ("postgres_lock_removed", "gapless::nobody_is_skipped_while_others_number_hold_and_abort"),
    ("postgres_lock_removed", "gapless::schedules::marten_late_commit::skips_nothing"),
    ("postgres_lock_removed", "gapless::schedules::marten_rebuild_skip::skips_nothing"),
    (
        "postgres_unknown_as_refused",
        "server_faults::nothing_is_lost_doubled_or_torn_and_every_unknown_is_settled",
    ),
];

/// One round of each kind of fault.
const SHORT: usize = 11;

/// How long a run of so many rounds may take before it is called hung.
fn longest(rounds: usize) -> Duration {
    Duration::from_secs(240 + 20 * rounds as u64)
}

pub(super) fn run(options: &Options, binaries: &Binaries) -> Outcome {
    servers::install(&["pg_ctlcluster", "runuser"])?;
    if options.planted.is_none() {
        two_servers::run(options, binaries, options.rounds.unwrap_or(SHORT))?;
    }
    let mine = Server::Postgres.running().is_none();
    let url = Server::Postgres.start()?;
    let done = prove(options, &url);
    if mine {
        Server::Postgres.stop()?;
    }
    done
}

fn prove(options: &Options, url: &str) -> Outcome {
    let binaries = PLANTED.tests()?;
    let binary = binaries.get("gesta-postgres").ok_or("cargo built no tests of gesta-postgres")?;
    let play = |test: &str, rounds: usize, bug: Option<&str>| {
        let mut tests = process::program(binary);
        tests.args([test, "--nocapture", "--test-threads", "1"]).env("RUST_BACKTRACE", "0");
        tests.env("GESTA_FAULT_ROUNDS", rounds.to_string());
        tests.env("GESTA_FAULT_RUN", options.run.to_string()).env("GESTA_TEST_POSTGRES_URL", url);
        Proof::run(tests, bug, longest(rounds))
    };
    let rounds = options.rounds.unwrap_or(SHORT);
    if options.planted.is_none() {
        for test in PROOFS {
            let Proof { holds, told, finding } = play(test, rounds, None)?;
            told.lines().filter_map(figure).for_each(|line| println!("{line}"));
            if !holds {
                return Err(options.failed("postgres", rounds, &finding));
            }
        }
    }
    if options.wants_controls() {
        controls(options, |test, bug| play(test, SHORT, Some(bug)))
    } else {
        Ok(())
    }
}

fn controls(options: &Options, play: impl Fn(&str, &str) -> Result<Proof, String>) -> Outcome {
    let chosen: Vec<_> =
        CONTROLS.iter().filter(|(bug, _)| options.planted.as_ref().is_none_or(|only| only == bug)).collect();
    if chosen.is_empty() {
        return Err(format!("postgres: no control is called {:?}", options.planted));
    }
    let mut missed = Vec::new();
    for (bug, test) in &chosen {
        let Proof { holds, finding, .. } = play(test, bug)?;
        if holds {
            missed.push(format!("{bug} is not caught by {test}"));
        } else {
            println!("postgres: control {bug} is caught by {test}: {finding}");
        }
    }
    caught("postgres", chosen.len(), missed)
}

/// A line of figures, without what the test runner put before it.
fn figure(line: &str) -> Option<&str> {
    let line =
        line.strip_prefix("test ").and_then(|rest| rest.split_once(" ... ")).map_or(line, |(_, told)| told);
    (line.contains(": ") && !line.starts_with("test result")).then_some(line)
}
