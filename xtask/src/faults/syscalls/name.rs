//! A segment that is used before its new name is synced: the power goes right behind the first acknowledgement in it.
//!
//! Syncs of files and folders take long here, so that none happens to make the name durable in time.

use super::{data, lost, scripted};
use crate::{
    Outcome,
    faults::{Binaries, Options, binary::Programs, cannot, powercut::Disk, server::Setup},
};

const BUG: &str = "segment_before_folder_sync";

/// The journal of the file system is written every few seconds by itself; a bug may hide behind that once or twice.
const TRIES: usize = 5;

/// Loses nothing without the bug, and something with it.
pub(super) fn run(options: &Options, binaries: &Binaries) -> Outcome {
    let planted = binaries.planted()?;
    let disk = match Disk::fresh("syscalls-disk", 64, options.run) {
        Ok(disk) => disk,
        Err(reason) => return cannot("new_names", &reason),
    };
    let play = |programs: &Programs, bug: Option<&str>| {
        let setup = scripted(&programs.gesta, data(Some(&disk), disk.folder()), disk.folder());
        let setup = Setup { planted: bug.map(Into::into), ..setup };
        lost(setup, &disk, "fsync:delay_enter=400000", options.run, 1)
    };
    let (lost, told) = play(&binaries.honest, None)?;
    println!("new_names: {lost} of {told} acknowledged events lost in a segment whose name is new");
    if lost > 0 || told == 0 {
        return Err(format!("new_names: {lost} of {told} acknowledged events lost"));
    }
    for attempt in 1..=TRIES {
        let (lost, told) = play(planted, Some(BUG))?;
        if lost > 0 {
            println!("syscalls: control {BUG} is caught at try {attempt}: {lost} of {told} events lost");
            return Ok(());
        }
    }
    Err(format!(
        "syscalls: {BUG} is not caught in {TRIES} tries: cargo xtask faults syscalls --planted {BUG}"
    ))
}
