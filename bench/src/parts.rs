//! The parts of a run.

use crate::{report::Report, settings::Settings};

mod conditions;
pub(crate) mod embedded;
mod group;
mod idle;
mod paced;
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
