//! `projection_kill`: projections are killed, paused beyond their lease and rebuilt under load, and their disk is cut off,
//! on the same data round after round; after each the rows are compared with a fold of the log. On a data folder two
//! owners share one process, on a PostgreSQL database each has its own.

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, ChildStdout, Stdio},
    thread,
    time::Duration,
};

use gesta_conformance::Dice;

use super::{
    binary::{Binaries, arm},
    caught,
    options::Options,
    place,
    powercut::Disk,
};
use crate::{
    Outcome,
    process::{self, fresh_folder},
    servers::Server,
};

/// The planted bug that it must bring to light, and the rounds that may take.
const CONTROL: (&str, usize) = ("checkpoint_outside_transaction", 12);

/// Longer than the lease of the processors under test.
const PAUSE: (u64, u64) = (350, 600);

/// What a run counted.
#[derive(Debug, Default)]
struct Figures {
    kills: usize,
    pauses: usize,
    fenced: usize,
    compared: u64,
    mismatches: u64,
    head: u64,
    generations: u64,
    /// Power cuts, and those that took answered commits of `state.db` with them.
    cuts: usize,
    went_back: usize,
}

/// Rounds in which nothing may differ, then the control.
pub(super) fn run(options: &Options, binaries: &Binaries) -> Outcome {
    let rounds = options.rounds.unwrap_or(8);
    if options.planted.is_none() {
        let binary = &binaries.honest.projection_kill;
        let mut figures = play(binary, &Place::folder(None)?, options, rounds, None)?;
        match Disk::fresh("projection_kill-disk", 256, options.run) {
            Ok(disk) => cut(binary, options, rounds.div_ceil(2), &disk, &mut figures)?,
            Err(reason) => super::cannot("projection_kill", &format!("cut the power: {reason}"))?,
        }
        figures.print();
        figures.verdict().map_err(|found| options.failed("projection_kill", rounds, &found))?;
        on_postgres(binary, options, rounds)?;
    }
    if options.wants_controls() { control(options, binaries) } else { Ok(()) }
}

/// The same rounds with owners in processes of their own, on a database.
fn on_postgres(binary: &Path, options: &Options, rounds: usize) -> Outcome {
    let server = Server::Postgres.start()?;
    let place = Place::database(&server)?;
    process::read(process::program(binary).args([place.address(), "fresh"]))?;
    println!("projection_kill: on PostgreSQL, each owner in a process of its own");
    let figures = play(binary, &place, options, rounds, None)?;
    figures.print();
    let failed = |found| options.failed("projection_kill", rounds, &format!("on PostgreSQL: {found}"));
    figures.verdict().map_err(failed)
}

/// Where the projections keep what they keep.
enum Place {
    Folder(String),
    Database(String),
}

impl Place {
    fn folder(bug: Option<&str>) -> Result<Self, String> {
        let name = bug.map_or_else(|| "projection_kill".to_owned(), |bug| format!("projection_kill-{bug}"));
        Ok(Self::Folder(fresh_folder(&place(&name))?.join("data").display().to_string()))
    }

    fn database(server: &str) -> Result<Self, String> {
        let (base, _) = server.rsplit_once('/').ok_or("the address of PostgreSQL names no database")?;
        Ok(Self::Database(format!("{base}/gesta_projection_kill")))
    }

    fn address(&self) -> &str {
        match self {
            Self::Folder(address) | Self::Database(address) => address,
        }
    }

    /// Which processes run in a round.
    fn modes(&self, rebuilds: bool) -> &'static [&'static str] {
        match (self, rebuilds) {
            (Self::Folder(_), false) => &["owners"],
            (Self::Folder(_), true) => &["rebuild"],
            (Self::Database(_), false) => &["one", "two"],
            (Self::Database(_), true) => &["rebuild", "two"],
        }
    }
}

fn control(options: &Options, binaries: &Binaries) -> Outcome {
    let (bug, most) = CONTROL;
    let bug = options.planted.as_deref().unwrap_or(bug);
    let binary = &binaries.planted()?.projection_kill;
    let figures = play(binary, &Place::folder(Some(bug))?, options, most, Some(bug))?;
    if figures.mismatches == 0 {
        let again = options.again("projection_kill", most, Some(bug));
        return Err(format!("projection_kill: {bug} is not caught in {most} rounds: {again}"));
    }
    println!(
        "projection_kill: control {bug} is caught after {} kills: {} mismatches of {} comparisons",
        figures.kills, figures.mismatches, figures.compared
    );
    caught("projection_kill", 1, Vec::new())
}

/// Plays rounds; a control ends with the first mismatch.
fn play(
    binary: &Path,
    place: &Place,
    options: &Options,
    rounds: usize,
    bug: Option<&str>,
) -> Result<Figures, String> {
    let mut dice = Dice::of(options.run);
    let mut figures = Figures::default();
    for round in 0..rounds {
        let rebuilds = round % 3 == 2;
        let start = |mode: &&str| Victim::start(binary, place.address(), mode, bug);
        let mut victims = place.modes(rebuilds).iter().map(start).collect::<Result<Vec<_>, _>>()?;
        wait(dice.between(100, 600));
        if !rebuilds {
            for _ in 0..dice.between(1, 3) {
                let paused = dice.between(0, victims.len() as u64 - 1) as usize;
                victims[paused].signal("STOP")?;
                wait(dice.between(PAUSE.0, PAUSE.1));
                victims[paused].signal("CONT")?;
                figures.pauses += 1;
                wait(dice.between(20, 300));
            }
        }
        // One goes first, so that the other takes over from it.
        while !victims.is_empty() {
            let first = dice.between(0, victims.len() as u64 - 1) as usize;
            figures.fenced += victims.swap_remove(first).kill().fenced;
            figures.kills += 1;
            wait(if victims.is_empty() { 0 } else { dice.between(PAUSE.0, PAUSE.1) });
        }
        verify(binary, place.address(), bug, &mut figures)
            .map_err(|reason| format!("round {round}: {reason}\nthe data is in {}", place.address()))?;
        if bug.is_some() && figures.mismatches > 0 {
            break;
        }
    }
    Ok(figures)
}

/// Plays rounds that end with a power cut: what `state.db` had answered may be gone, rows and checkpoint alike.
fn cut(binary: &Path, options: &Options, rounds: usize, disk: &Disk, figures: &mut Figures) -> Outcome {
    let mut dice = Dice::of(options.run).split();
    let data = disk.data().display().to_string();
    for round in 0..rounds {
        let mut victim = Victim::start(binary, &data, "owners", None)?;
        wait(dice.between(200, 900));
        disk.cut(dice.between(1, 2))?;
        wait(dice.between(5, 60));
        let told = victim.kill();
        disk.restore()?;
        let began =
            verify(binary, &data, None, figures).map_err(|reason| format!("power cut {round}: {reason}"))?;
        figures.cuts += 1;
        figures.fenced += told.fenced;
        figures.went_back += usize::from(began < told.done);
    }
    Ok(())
}

/// Lets the projections catch up and compares their rows with the log; answers with where they stood before.
fn verify(binary: &Path, place: &str, bug: Option<&str>, figures: &mut Figures) -> Result<u64, String> {
    let said = process::read(arm(process::program(binary).arg(place).arg("verify"), bug))?;
    let line = said.lines().find_map(|line| line.strip_prefix("verified ")).ok_or("it verified nothing")?;
    let numbers: Vec<u64> = line.split(' ').filter_map(|number| number.parse().ok()).collect();
    let [head, compared, mismatches, generation, began] = numbers[..] else {
        return Err(format!("it verified {line:?}"));
    };
    figures.head = figures.head.max(head);
    figures.compared += compared;
    figures.mismatches += mismatches;
    figures.generations = figures.generations.max(generation);
    Ok(began)
}

impl Figures {
    fn print(&self) {
        let Self { kills, pauses, fenced, compared, mismatches, head, generations, cuts, went_back } = self;
        println!("projection_kill: {kills} kills and {pauses} pauses beyond the lease over {head} events");
        println!("projection_kill: fenced commits of paused owners: {fenced}");
        if *cuts > 0 {
            println!(
                "projection_kill: power cuts that took answered commits of state.db: {went_back} of {cuts}"
            );
        }
        println!("projection_kill: generations built under load: {generations}");
        println!(
            "projection_kill: mismatches {mismatches} of {compared} rows compared with a fold of the log"
        );
    }

    fn verdict(&self) -> Outcome {
        if self.mismatches > 0 {
            return Err(format!("{} rows differ from the log", self.mismatches));
        }
        if self.fenced == 0 && self.pauses >= 8 {
            return Err(format!("nothing was fenced in {} pauses, so nothing was tried", self.pauses));
        }
        Ok(())
    }
}

/// The program under test while it works.
struct Victim {
    child: Child,
    output: Option<thread::JoinHandle<Told>>,
}

/// What it said.
#[derive(Debug, Default)]
struct Told {
    /// Commits that were fenced.
    fenced: usize,
    /// How far the commits go that were answered.
    done: u64,
}

impl Victim {
    /// Starts it and waits until it is under load.
    fn start(binary: &Path, place: &str, mode: &str, bug: Option<&str>) -> Result<Self, String> {
        let mut command = process::program(binary);
        arm(command.arg(place).arg(mode), bug).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().map_err(|cause| format!("{}: {cause}", binary.display()))?;
        let mut output = BufReader::new(child.stdout.take().ok_or("it has no output")?);
        let mut line = String::new();
        while line.trim() != "ready" {
            line.clear();
            if output.read_line(&mut line).map_err(|cause| cause.to_string())? == 0 {
                let _ = (child.kill(), child.wait());
                return Err(format!("the {mode} ended at their start"));
            }
        }
        Ok(Self { child, output: Some(thread::spawn(move || listen(output))) })
    }

    fn signal(&self, signal: &str) -> Outcome {
        process::signal(self.child.id(), signal)
    }

    /// SIGKILL; answers with what it had said.
    fn kill(&mut self) -> Told {
        let _ = self.child.kill();
        let _ = self.child.wait();
        self.output.take().and_then(|output| output.join().ok()).unwrap_or_default()
    }
}

impl Drop for Victim {
    fn drop(&mut self) {
        self.kill();
    }
}

fn listen(output: BufReader<ChildStdout>) -> Told {
    let mut told = Told::default();
    for line in output.lines().map_while(Result::ok) {
        told.fenced += usize::from(line == "fenced");
        let done = line.strip_prefix("done ").and_then(|position| position.parse().ok());
        told.done = told.done.max(done.unwrap_or(0));
    }
    told
}

/// A crash comes at a moment, not at an event.
fn wait(milliseconds: u64) {
    thread::sleep(Duration::from_millis(milliseconds));
}
