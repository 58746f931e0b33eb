//! `postgres`: a PostgreSQL server is broken under two stores, and the log's order is put to the test.
//!
//! The proofs are tests of `gesta-postgres`, run here in the size that was asked for, and then with bugs planted
//! that they must notice. They start servers of their own, and end them.

use std::{
    path::Path,
    process::Stdio,
    thread,
    time::{Duration, Instant},
};

use super::{Options, binary::Binaries, laws};
use crate::{
    Outcome, process,
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
    let binary = laws::build("gesta-postgres")?;
    let rounds = options.rounds.unwrap_or(SHORT);
    let again = options.again("postgres", rounds, None);
    if options.planted.is_none() {
        for proof in PROOFS {
            match play(&binary, url, proof, rounds, options.run, None)? {
                (true, _) => {}
                (false, finding) => return Err(format!("postgres: {finding}\nagain: {again}")),
            }
        }
    }
    if options.controls || options.planted.is_some() { controls(options, &binary, url) } else { Ok(()) }
}

fn controls(options: &Options, binary: &Path, url: &str) -> Outcome {
    let chosen: Vec<_> =
        CONTROLS.iter().filter(|(bug, _)| options.planted.as_ref().is_none_or(|only| only == bug)).collect();
    if chosen.is_empty() {
        return Err(format!("postgres: no control is called {:?}", options.planted));
    }
    let mut missed = Vec::new();
    for (bug, test) in &chosen {
        match play(binary, url, test, SHORT, options.run, Some(bug))? {
            (true, _) => missed.push(format!("{bug} is not caught by {test}")),
            (false, finding) => println!("postgres: control {bug} is caught by {test}: {finding}"),
        }
    }
    println!("postgres: controls caught {} of {}", chosen.len() - missed.len(), chosen.len());
    if missed.is_empty() { Ok(()) } else { Err(missed.join("\n")) }
}

/// Runs the tests of this name; whether they pass, and the first thing that is wrong if not. Their figures are printed
/// when they are honest.
fn play(
    binary: &Path,
    url: &str,
    test: &str,
    rounds: usize,
    run: u64,
    bug: Option<&str>,
) -> Result<(bool, String), String> {
    let mut command = process::program(binary);
    command.args([test, "--nocapture", "--test-threads", "1"]).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.env("GESTA_FAULT_ROUNDS", rounds.to_string()).env("GESTA_FAULT_RUN", run.to_string());
    command.env("GESTA_TEST_POSTGRES_URL", url).env("RUST_BACKTRACE", "0");
    match bug {
        Some(bug) => command.env("GESTA_PLANTED", bug),
        None => command.env_remove("GESTA_PLANTED"),
    };
    let mut child = command.spawn().map_err(|cause| format!("{}: {cause}", binary.display()))?;
    let pid = child.id();
    let (out, err) = (child.stdout.take(), child.stderr.take());
    let listening = [thread::spawn(move || text(out)), thread::spawn(move || text(err))];
    let (began, longest) = (Instant::now(), longest(rounds));
    let passed = loop {
        if let Some(status) = child.try_wait().map_err(|cause| cause.to_string())? {
            break status.success();
        }
        if began.elapsed() > longest {
            let _ = child.kill();
            let _ = child.wait();
            return Ok((false, format!("{test} (process {pid}) did not end in {longest:?}")));
        }
        thread::sleep(Duration::from_millis(50));
    };
    let [out, err] = listening.map(|listener| listener.join().expect("a listener never panics"));
    if out.contains("running 0 tests") {
        return Err(format!("{} has no test {test}", binary.display()));
    }
    if bug.is_none() {
        out.lines().filter_map(figure).for_each(|line| println!("{line}"));
    }
    Ok((passed, finding(&err)))
}

/// A line of figures, without what the test runner put before it.
fn figure(line: &str) -> Option<&str> {
    let line =
        line.strip_prefix("test ").and_then(|rest| rest.split_once(" ... ")).map_or(line, |(_, told)| told);
    (line.contains(": ") && !line.starts_with("test result")).then_some(line)
}

fn text(from: Option<impl std::io::Read>) -> String {
    from.and_then(|from| std::io::read_to_string(from).ok()).unwrap_or_default()
}

/// What the first panic said, in a line or three.
fn finding(err: &str) -> String {
    let said = err.lines().skip_while(|line| !line.contains("panicked at")).skip(1);
    let said: Vec<&str> = said.take(3).map(str::trim).collect();
    said.join(" ").chars().take(400).collect()
}
