//! The parts of a run.

use std::{path::Path, process::Command};

use crate::{report::Report, settings::Settings};

mod conditions;
pub(crate) mod embedded;
mod engine;
mod group;
mod idle;
mod paced;
pub(crate) mod postgres;
mod side_by_side;

/// Runs every part asked for, in order.
pub(crate) async fn run(settings: &Settings, report: &mut Report) -> Result<(), String> {
    conditions::write(settings, report)?;
    if settings.wants("http") || settings.wants("peers") {
        side_by_side::run(settings, report).await?;
    }
    if settings.wants("paced") {
        paced::run(settings, report).await?;
    }
    if settings.wants("group") {
        group::run(settings, report).await?;
    }
    if settings.wants("embedded") {
        embedded::run(settings, report)?;
    }
    if settings.wants("engine") {
        engine::run(settings, report)?;
    }
    if settings.wants("postgres") {
        postgres::run(settings, report)?;
    }
    if settings.wants("idle") {
        idle::run(settings, report)?;
    }
    Ok(())
}

/// An empty folder.
fn fresh(folder: &std::path::Path) -> Result<std::path::PathBuf, String> {
    if folder.exists() {
        std::fs::remove_dir_all(folder).map_err(|cause| cause.to_string())?;
    }
    std::fs::create_dir_all(folder).map_err(|cause| cause.to_string())?;
    Ok(folder.to_owned())
}

/// Runs a phase in a process of its own and hands back what it printed. A phase may end by killing itself.
fn ask(name: &str, folder: &Path, events: u64) -> Result<String, String> {
    let me = std::env::current_exe().map_err(|cause| cause.to_string())?;
    let mut command = Command::new(me);
    command.args(["phase", name]).arg(folder).arg(events.to_string());
    let output =
        command.stderr(std::process::Stdio::inherit()).output().map_err(|cause| cause.to_string())?;
    if output.stdout.is_empty() {
        return Err(format!("phase {name} printed nothing ({})", output.status));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
