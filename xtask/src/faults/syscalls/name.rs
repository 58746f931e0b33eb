//! A segment that is used before its new name is synced: the power goes right behind the first acknowledgement in it.
//!
//! Syncs of files and folders take long here, so that none happens to make the name durable in time.

use std::time::Instant;

use gesta_conformance::Dice;

use super::{Trace, data, open, scripted};
use crate::{
    Outcome,
    faults::{
        Binaries, Options, cannot, clients::Client, fresh_folder_of_disk, ledger::read_log, powercut::Disk,
    },
};

const BUG: &str = "segment_before_folder_sync";

/// The journal of the file system is written every few seconds by itself; a bug may hide behind that once or twice.
const TRIES: usize = 5;

/// Loses nothing without the bug, and something with it.
pub(super) fn run(options: &Options, binaries: &Binaries) -> Outcome {
    let planted = binaries.planted.as_deref().ok_or("the binary with planted bugs is not built")?;
    let folder = fresh_folder_of_disk("syscalls-disk")?;
    let disk = match Disk::new(&folder, 64, options.run) {
        Ok(disk) => disk,
        Err(reason) => return cannot("new_names", &reason),
    };
    let play = |binary: &std::path::Path, bug: Option<&str>| -> Result<(usize, usize), String> {
        let mut setup = scripted(binary.to_owned(), data(Some(&disk), &folder), &folder);
        setup.planted = bug.map(Into::into);
        let trace = Trace::new(folder.join("trace"), &[]);
        setup.wrapper = trace.command(Some("fsync:delay_enter=400000"));
        let mut server = setup.start()?;
        let mut client = Client::new(0, Dice::of(options.run), Instant::now());
        client.script(&mut open(&server)?, 1);
        disk.cut(2)?;
        trace.kill(&mut server);
        drop(server);
        disk.restore()?;
        setup.wrapper.clear();
        setup.planted = None;
        let told = client.acknowledged();
        let there = match setup.start() {
            Ok(server) => read_log(&mut open(&server)?, 0)?.len(),
            // A start that is refused has noticed the loss.
            Err(_) => 0,
        };
        Ok((told, told.saturating_sub(there)))
    };
    let (told, lost) = play(&binaries.honest, None)?;
    println!("new_names: {lost} of {told} acknowledged events lost in a segment whose name is new");
    if lost > 0 || told == 0 {
        return Err(format!("new_names: {lost} of {told} acknowledged events lost"));
    }
    for attempt in 1..=TRIES {
        let (told, lost) = play(planted, Some(BUG))?;
        if lost > 0 {
            println!("syscalls: control {BUG} is caught at try {attempt}: {lost} of {told} events lost");
            return Ok(());
        }
    }
    Err(format!(
        "syscalls: {BUG} is not caught in {TRIES} tries: cargo xtask faults syscalls --planted {BUG}"
    ))
}
