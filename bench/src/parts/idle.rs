//! What the server uses when nobody asks for anything.

use super::fresh;
use crate::{
    process::Server,
    report::{Report, mebibytes},
    settings::Settings,
};

/// Starts it on an empty folder, and on the log that the embedded part has grown, if that is there.
pub(super) fn run(settings: &Settings, report: &mut Report) -> Result<(), String> {
    report.part("Memory of an idle server");
    let empty = Server::start(settings, "serve", &fresh(&settings.folder.join("idle"))?)?;
    report.say(&format!("Empty log: {}.", mebibytes(empty.memory())));
    report.keep("idle_bytes", empty.memory());
    drop(empty);
    let grown = settings.folder.join("grown");
    if grown.is_dir() {
        let full = Server::start(settings, "serve", &grown)?;
        report.say(&format!("On the grown log: {}.", mebibytes(full.memory())));
        report.keep("idle_grown_bytes", full.memory());
    }
    Ok(())
}
