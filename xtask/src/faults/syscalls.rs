//! `syscalls`: kill, EIO, ENOSPC, a slow disk and a lying sync at the k-th call, by strace.
//!
//! One client appends a fixed script, so that the writer makes the same calls in the same order each time. A dry run
//! counts them; then each chosen call fails once, on a fresh folder, and the store must open again with everything
//! it acknowledged: after a power cut too, where this machine can cut one. After a failed write or sync of the log
//! nothing more may be acknowledged.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Instant,
};

use gesta_conformance::Dice;

use super::{
    Binaries, Options, cannot,
    clients::Client,
    ledger::{Ledger, read_log},
    place,
    powercut::Disk,
    server::{Server, Setup},
};
use crate::{
    Outcome,
    process::{self, fresh_folder},
};

mod name;
mod trace;

use trace::{Calls, Trace};

/// Appends of the script, and of the look whether a store that failed goes on.
const SCRIPT: usize = 30;
const AFTERWARDS: usize = 4;

/// What is done to a call instead of doing it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    Kill,
    Eio,
    Enospc,
    Slow,
    /// It answers that it is done and did nothing.
    Lie,
}

impl Fault {
    fn injection(self) -> &'static str {
        match self {
            Self::Kill => "signal=KILL",
            Self::Eio => "error=EIO",
            Self::Enospc => "error=ENOSPC",
            Self::Slow => "delay_exit=50000",
            Self::Lie => "retval=0",
        }
    }
}

/// Which fault is tried on which call. Those of the writer's own path must stop it.
const TRIED: &[(&str, Fault)] = &[
    ("pwrite64", Fault::Eio),
    ("fdatasync", Fault::Eio),
    ("pwrite64", Fault::Kill),
    ("fdatasync", Fault::Kill),
    ("pwrite64", Fault::Enospc),
    ("fsync", Fault::Eio),
    ("fsync", Fault::Kill),
    ("rename", Fault::Eio),
    ("rename", Fault::Kill),
    ("openat", Fault::Enospc),
    ("openat", Fault::Kill),
    ("write", Fault::Enospc),
    ("write", Fault::Kill),
    ("ftruncate", Fault::Enospc),
    ("fdatasync", Fault::Slow),
    ("fdatasync", Fault::Lie),
];

/// What the points found.
#[derive(Default)]
struct Found {
    /// Points at which the fault was seen to happen, of all there are.
    covered: usize,
    all: usize,
    acknowledged: usize,
    /// Acknowledged after the log had failed.
    false_acknowledgements: usize,
    refused_starts: usize,
    wrong: Vec<String>,
}

pub(super) fn run(options: &Options, binaries: &Binaries) -> Outcome {
    if process::installed("strace").is_none() {
        return cannot("syscalls", "strace is not installed: apt-get install strace");
    }
    if options.planted.as_deref() == Some("segment_before_folder_sync") {
        return name::run(options, binaries);
    }
    if let Some(bug) = &options.planted {
        return continue_after_eio(options, binaries, bug);
    }
    let disk = Disk::fresh("syscalls-disk", 64, options.run)
        .inspect_err(|reason| println!("syscalls: no power cuts: {reason}"))
        .ok();
    let calls = count(options, binaries, disk.as_ref())?;
    let mut found = Found::default();
    for (nth, (call, fault)) in TRIED.iter().enumerate() {
        let all = calls.of(call);
        found.all += all;
        for k in chosen(all, options.rounds.unwrap_or(2), &mut Dice::of(options.run + nth as u64)) {
            let (binary, disk) = (binaries.honest.gesta.as_path(), disk.as_ref());
            let point =
                Point { options, binary, planted: None, disk, call, fault: *fault, k, paths: &calls.paths };
            point
                .play(&mut found)
                .map_err(|reason| format!("syscalls: {call} {fault:?} at {k}: {reason}"))?;
        }
    }
    println!("io_error_points: {} of {} points covered ({})", found.covered, found.all, calls);
    println!(
        "io_error_points: false acknowledgements {}, stores that would not open {}, events acknowledged {}",
        found.false_acknowledgements, found.refused_starts, found.acknowledged
    );
    if !found.wrong.is_empty() {
        let again = format!("cargo xtask faults syscalls --run {}", options.run);
        return Err(format!("syscalls: {}\nagain: {again}", found.wrong.join("\n  ")));
    }
    drop(disk);
    if options.controls {
        continue_after_eio(options, binaries, "continue_after_eio")?;
        lying_disk(options, binaries)?;
        name::run(options, binaries)?;
    }
    Ok(())
}

/// At most `most` of `all` points, the first and the last among them; all if `most` is 0.
fn chosen(all: usize, most: usize, dice: &mut Dice) -> Vec<usize> {
    if most == 0 || all <= most {
        return (1..=all).collect();
    }
    let mut points = vec![all];
    while points.len() < most {
        let k = usize::try_from(dice.between(1, all as u64)).expect("small");
        if !points.contains(&k) {
            points.push(k);
        }
    }
    points.sort_unstable();
    points
}

/// Runs the script once without a fault, and counts the calls on the log's files.
fn count(options: &Options, binaries: &Binaries, disk: Option<&Disk>) -> Result<Calls, String> {
    let folder = fresh_folder(&place("syscalls"))?;
    let mut setup = scripted(&binaries.honest.gesta, data(disk, &folder), &folder);
    let server = setup.start()?;
    let mut client = Client::new(0, Dice::of(options.run), Instant::now());
    client.script(&mut server.connect()?, SCRIPT + AFTERWARDS);
    drop(server);
    // Names of segments follow from the script: a second run has the same ones.
    let paths = Trace::paths(&setup.data);
    let _ = fs::remove_dir_all(&setup.data);
    let trace = Trace::new(folder.join("trace"), &paths);
    setup.wrapper = trace.command(None);
    let mut server = setup.start()?;
    let mut client = Client::new(0, Dice::of(options.run), Instant::now());
    client.script(&mut server.connect()?, SCRIPT);
    trace.kill(&mut server);
    Calls::read(&trace, paths)
}

/// On the disk whose power can be cut, where there is one; empty.
fn data(disk: Option<&Disk>, folder: &Path) -> PathBuf {
    let data = disk.map_or_else(|| folder.join("data"), Disk::data);
    let _ = fs::remove_dir_all(&data);
    data
}

fn scripted(binary: &Path, data: PathBuf, folder: &Path) -> Setup {
    Setup { segment_bytes: Some(16 << 10), ..Setup::new(binary, data, folder.join("server.log")) }
}

/// One fault at one call.
struct Point<'a> {
    options: &'a Options,
    binary: &'a Path,
    planted: Option<&'a str>,
    disk: Option<&'a Disk>,
    call: &'a str,
    fault: Fault,
    k: usize,
    paths: &'a [PathBuf],
}

impl Point<'_> {
    fn play(&self, found: &mut Found) -> Result<(), String> {
        let folder = fresh_folder(&place("syscalls"))?;
        let mut setup = scripted(self.binary, data(self.disk, &folder), &folder);
        setup.planted = self.planted.map(Into::into);
        let trace = Trace::new(folder.join("trace"), self.paths);
        let injection = format!("{}:{}:when={}", self.call, self.fault.injection(), self.k);
        let mut ledger = Ledger::default();
        let mut client = Client::new(0, Dice::of(self.options.run), Instant::now());
        setup.wrapper = trace.command(Some(&injection));
        // A server that meets the fault at its start may refuse to start.
        if let Ok(mut server) = setup.start() {
            if let Ok(mut connection) = server.connect() {
                client.script(&mut connection, SCRIPT);
            }
            self.goes_on(&server, &trace, &mut client, found);
            self.cut(&mut server, &trace)?;
        }
        found.covered += usize::from(trace.was_injected(self.fault == Fault::Kill));
        setup.wrapper.clear();
        setup.planted = None;
        let server = match setup.start() {
            Ok(server) => server,
            Err(reason) => {
                found.refused_starts += 1;
                found.wrong.push(format!("{injection}: the store does not open again: {reason}"));
                return Ok(());
            }
        };
        ledger.verify(
            &mut server.connect()?,
            std::mem::take(&mut client.done),
            &folder.join("failed.jsonl"),
        )?;
        found.acknowledged += ledger.figures.acknowledged;
        found.wrong.extend(client.wrong.drain(..).map(|what| format!("{injection}: {what}")));
        found.wrong.extend(ledger.figures.wrong.drain(..).map(|what| format!("{injection}: {what}")));
        Ok(())
    }

    /// Ends the server, and the power with it: a sync that failed and was taken for done shows then. A lie told by the
    /// disk would show too, and is no fault of the store.
    fn cut(&self, server: &mut Server, trace: &Trace) -> Result<(), String> {
        let disk = self.disk.filter(|_| self.fault != Fault::Lie);
        disk.map_or(Ok(()), |disk| disk.cut(2))?;
        trace.kill(server);
        disk.map_or(Ok(()), Disk::restore)
    }

    /// Whether the store acknowledges anything although its log has failed.
    fn goes_on(&self, server: &Server, trace: &Trace, client: &mut Client, found: &mut Found) {
        let writers = matches!(self.call, "pwrite64" | "fdatasync");
        if !writers || !matches!(self.fault, Fault::Eio | Fault::Enospc) || !trace.was_injected(false) {
            return;
        }
        let Ok(mut connection) = server.connect() else { return };
        let before = client.acknowledged();
        client.script(&mut connection, AFTERWARDS);
        let after = client.acknowledged() - before;
        if after > 0 {
            found.false_acknowledgements += after;
            let (call, fault, k) = (self.call, self.fault, self.k);
            found
                .wrong
                .push(format!("{call} {fault:?} at {k}: {after} appends were acknowledged afterwards"));
        }
    }
}

/// A writer that takes a failed sync for done must be seen to go on.
fn continue_after_eio(options: &Options, binaries: &Binaries, bug: &str) -> Outcome {
    let binary = binaries.planted()?.gesta.as_path();
    let calls = count(options, binaries, None)?;
    let mut found = Found::default();
    let k = calls.of("fdatasync") / 2;
    let (planted, call, fault, paths) = (Some(bug), "fdatasync", Fault::Eio, calls.paths.as_slice());
    Point { options, binary, planted, disk: None, call, fault, k, paths }.play(&mut found)?;
    let caught = usize::from(!found.wrong.is_empty());
    println!("syscalls: controls caught {caught} of 1 ({bug})");
    if caught == 1 { Ok(()) } else { Err(format!("syscalls: {bug} is not caught")) }
}

/// Every sync of the log lies, then the power goes: the harness must see the loss, and the store must open or refuse.
fn lying_disk(options: &Options, binaries: &Binaries) -> Outcome {
    let disk = match Disk::fresh("syscalls-disk", 256, options.run) {
        Ok(disk) => disk,
        Err(reason) => return cannot("lying_sync", &reason),
    };
    let setup = scripted(&binaries.honest.gesta, disk.data(), disk.folder());
    let lie = format!("fdatasync,fsync:{}:when=1+", Fault::Lie.injection());
    let (lost, told) = lost(setup, &disk, &lie, options.run, SCRIPT)?;
    println!("lying_sync: {lost} of {told} acknowledged appends lost by a disk that lies, as they must be");
    if lost > 0 { Ok(()) } else { Err("lying_sync: nothing was lost, so this harness sees nothing".into()) }
}

/// Appends while this is done to system calls, and cuts the power right behind it: how many of the acknowledged appends
/// are lost.
fn lost(
    mut setup: Setup,
    disk: &Disk,
    injection: &str,
    run: u64,
    appends: usize,
) -> Result<(usize, usize), String> {
    let trace = Trace::new(disk.folder().join("trace"), &[]);
    setup.wrapper = trace.command(Some(injection));
    let mut server = setup.start()?;
    let mut client = Client::new(0, Dice::of(run), Instant::now());
    client.script(&mut server.connect()?, appends);
    disk.cut(2)?;
    trace.kill(&mut server);
    disk.restore()?;
    setup.wrapper.clear();
    setup.planted = None;
    let told = client.acknowledged();
    let there = match setup.start() {
        Ok(server) => read_log(&mut server.connect()?, 0)?.len(),
        // A start that is refused has noticed the loss.
        Err(_) => 0,
    };
    Ok((told.saturating_sub(there), told))
}
