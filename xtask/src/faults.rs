//! `cargo xtask faults`: breaks the real binary on purpose, with controls that must be caught.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Instant,
};

use crate::{
    Outcome,
    process::{self, fresh_folder},
};

mod binary;
mod churn;
mod clients;
mod figures;
mod group;
mod http;
mod kill9;
mod laws;
mod ledger;
mod options;
mod postgres;
mod powercut;
mod projection_kill;
mod proof;
mod recovery_time;
mod rounds;
mod server;
mod syscalls;
mod watchers;

use binary::Binaries;
use options::Options;
use powercut::Disk;
use rounds::{Crash, Rounds};
use server::Setup;

const HELP: &str = "\
cargo xtask faults <kind> [--rounds N] [--run R] [--clients C] [--release] [--no-controls] [--planted BUG]

  short          every kind in its short size: what the gate runs
  kill9          SIGKILL under load, on the same data round after round: durability, phantoms, torn batches, order,
                 subscriptions, groups
  powercut       an ext4 image is shut down under the server (needs root)
  syscalls       kill, EIO, ENOSPC and a lying sync at the k-th system call (needs strace); --rounds is the number
                 of points for each fault, all of them when 0
  sub_churn      subscribers that come and go, read slowly and change filters, with wakeups and without any
  laws           tests of the engine and the store, each with a bug planted that it must notice
  postgres       a PostgreSQL server under two stores is stopped, crowded, cut off and replaced by its standby; writers are
                 held between numbering and commit while readers poll
  projection_kill  projections are killed, paused beyond their lease and rebuilt under load: rows against a fold of the log
  recovery_time  from a kill to the first acknowledged append, at growing sizes (--events 100000,1000000)

The run number fixes every random choice but the moments at which threads meet. --planted runs one control alone.";

/// All kinds, in the order of the gate.
const KINDS: [&str; 8] =
    ["kill9", "powercut", "syscalls", "sub_churn", "recovery_time", "laws", "projection_kill", "postgres"];

/// Runs one kind of fault, with its options.
pub(crate) fn run(arguments: &[String]) -> Outcome {
    let options = Options::parse(arguments)?;
    match options.kind.as_str() {
        "short" => short(&options),
        "laws" => laws::run(&options),
        "help" | "--help" => {
            println!("{HELP}");
            Ok(())
        }
        name if KINDS.contains(&name) => {
            let controls = options.wants_controls() && !matches!(name, "recovery_time" | "postgres");
            kind(name, &options, &Binaries::build(options.release, controls)?)
        }
        other => Err(format!("no fault is called {other:?}: see cargo xtask faults help")),
    }
}

/// Every kind in its short size; one that fails does not keep the others from running.
fn short(options: &Options) -> Outcome {
    let binaries = Binaries::build(options.release, true)?;
    all(KINDS.iter().filter_map(|name| kind(name, options, &binaries).err()).collect())
}

/// Nothing missed, nothing failed; else what was.
fn all(failed: Vec<String>) -> Outcome {
    if failed.is_empty() { Ok(()) } else { Err(failed.join("\n")) }
}

/// Plays one kind, and says how it went and how long it took.
fn kind(name: &str, options: &Options, binaries: &Binaries) -> Outcome {
    let began = Instant::now();
    let outcome = match name {
        "kill9" => kill9(options, binaries),
        "powercut" => powercut(options, binaries),
        "syscalls" => syscalls::run(options, binaries),
        "sub_churn" => churn::run(options, binaries),
        "laws" => laws::run(options),
        "projection_kill" => projection_kill::run(options, binaries),
        "postgres" => postgres::run(options, binaries),
        _ => recovery_time::run(options, binaries),
    };
    let verdict = if outcome.is_ok() { "ok" } else { "FAILED" };
    println!("{name}: {verdict} in {:.0} s", began.elapsed().as_secs_f64());
    outcome
}

fn kill9(options: &Options, binaries: &Binaries) -> Outcome {
    let rounds = options.rounds.unwrap_or(12);
    if options.planted.is_none() {
        let folder = fresh_folder(&place("kill9"))?;
        honest("kill9", options, rounds, setup(binaries, &folder, folder.join("data")), &kill9::Kill)?;
    }
    controls("kill9", options, kill9::CONTROLS, |bug, rounds| {
        let folder = fresh_folder(&place(&format!("kill9-{bug}")))?;
        let setup = planted(setup(binaries, &folder, folder.join("data")), binaries, bug)?;
        play("kill9", options, rounds, setup, &kill9::Kill, true)
    })
}

fn powercut(options: &Options, binaries: &Binaries) -> Outcome {
    let rounds = options.rounds.unwrap_or(6);
    // Before any control too: a machine that cannot cut the power must not pass for a bug that was caught.
    let disk = match Disk::fresh("powercut", 256 + rounds as u64 * 8, options.run) {
        Ok(disk) => disk,
        Err(reason) => return cannot("powercut", &reason),
    };
    if options.planted.is_none() {
        honest("powercut", options, rounds, setup(binaries, disk.folder(), disk.data()), &disk)?;
    }
    drop(disk);
    controls("powercut", options, powercut::CONTROLS, |bug, rounds| {
        let disk = Disk::fresh("powercut", 256, options.run)?;
        let setup = planted(setup(binaries, disk.folder(), disk.data()), binaries, bug)?;
        play("powercut", options, rounds, setup, &disk, true)
    })
}

/// Rounds in which nothing may be wrong.
fn honest(name: &str, options: &Options, rounds: usize, setup: Setup, crash: &dyn Crash) -> Outcome {
    let played = play(name, options, rounds, setup, crash, false).and_then(|figures| {
        figures.print(name);
        figures.verdict()
    });
    played.map_err(|what| options.failed(name, rounds, &what))
}

/// Planted bugs, each of which must be found.
fn controls(
    name: &str,
    options: &Options,
    bugs: &[(&str, usize)],
    find: impl Fn(&str, usize) -> Result<figures::Figures, String>,
) -> Outcome {
    let chosen: Vec<_> = match &options.planted {
        Some(bug) => vec![(bug.as_str(), options.rounds.unwrap_or(12))],
        None if options.controls => bugs.to_vec(),
        None => return Ok(()),
    };
    let mut missed = Vec::new();
    for (bug, rounds) in &chosen {
        match find(bug, *rounds) {
            Ok(figures) if figures.wrong.is_empty() => {
                let again = options.again(name, *rounds, Some(bug));
                missed.push(format!("{bug} is not caught in {rounds} rounds: {again}"));
            }
            Ok(figures) => {
                println!("{name}: control {bug} is caught in round {}: {}", figures.rounds, figures.wrong[0]);
            }
            // A store that does not open or answer is found out too.
            Err(reason) => {
                println!("{name}: control {bug} is caught: {}", reason.lines().next().unwrap_or_default());
            }
        }
    }
    caught(name, chosen.len(), missed)
}

/// Says how many controls of so many were caught; none may be missed.
fn caught(name: &str, of: usize, missed: Vec<String>) -> Outcome {
    println!("{name}: controls caught {} of {of}", of - missed.len());
    all(missed)
}

fn play(
    name: &str,
    options: &Options,
    rounds: usize,
    setup: Setup,
    crash: &dyn Crash,
    until_wrong: bool,
) -> Result<figures::Figures, String> {
    let failed = folder_of_failures(name)?;
    Rounds { setup, twin: None, rounds, run: options.run, clients: options.clients, failed, until_wrong }
        .play(crash)
}

/// Where the histories go in which something is wrong.
fn folder_of_failures(name: &str) -> Result<PathBuf, String> {
    let failed = place(&format!("{name}-failed"));
    fs::create_dir_all(&failed).map_err(|cause| format!("{}: {cause}", failed.display()))?;
    Ok(failed)
}

fn setup(binaries: &Binaries, folder: &Path, data: PathBuf) -> Setup {
    let setup = Setup::new(&binaries.honest.gesta, data, folder.join("server.log"));
    Setup { segment_bytes: Some(128 << 10), ..setup }
}

fn planted(setup: Setup, binaries: &Binaries, bug: &str) -> Result<Setup, String> {
    Ok(Setup { binary: binaries.planted()?.gesta.clone(), planted: Some(bug.to_owned()), ..setup })
}

/// Where a kind of fault keeps what it needs.
fn place(name: &str) -> PathBuf {
    process::target().join("faults").join(name)
}

/// What this machine cannot do is said in the figures.
fn cannot(name: &str, reason: &str) -> Outcome {
    println!("{name}: 0 rounds, this machine cannot: {reason}");
    process::cannot(format!("{name}: {reason}"))
}
