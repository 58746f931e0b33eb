//! The engine in process, by the orders application: commands, read models, rebuild, replay.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{ask, fresh};
use crate::{
    load::Latency,
    report::{Report, rate},
    settings::Settings,
};

mod commands;
pub(super) mod read_models;

/// A line of the report.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Figure {
    what: String,
    per_second: f64,
    latency: Latency,
}

/// Runs all in a process of its own: `bench phase engine FOLDER EVENTS`.
pub(super) async fn phase(folder: &Path, events: u64) -> Result<(), String> {
    commands::measure(&folder.join("commands"), events).await?;
    read_models::measure(&folder.join("read-models"), events).await
}

/// Prints a figure for the process that asked.
fn tell(what: &str, per_second: f64, latency: Latency) -> Result<(), String> {
    let figure = Figure { what: what.to_owned(), per_second, latency };
    println!("{}", serde_json::to_string(&figure).map_err(|cause| cause.to_string())?);
    Ok(())
}

/// Runs the phase and reports it.
pub(super) fn run(settings: &Settings, report: &mut Report) -> Result<(), String> {
    report.part("The engine in process");
    let events = settings.events / 10;
    let printed = ask("engine", &fresh(&settings.folder.join("engine"))?, events)?;
    let figures = figures(&printed);
    report.say(&format!(
        "The orders application on a file store, durable; commands 64 at a time, the first 64 streams of 10,000 events each; read models over {} events of orders, four an order.",
        rate(events as f64)
    ));
    table(report, &figures);
    report.keep("engine", &figures);
    Ok(())
}

/// The figures that a process of ours printed.
pub(super) fn figures(printed: &str) -> Vec<Figure> {
    printed.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

/// A line for each figure.
pub(super) fn table(report: &mut Report, figures: &[Figure]) {
    let rows = figures.iter().map(|one| {
        let known = one.latency.max > 0.0;
        let latency = format!("{:.2} / {:.2}", one.latency.p50, one.latency.p99);
        let per_second = if one.per_second > 0.0 { rate(one.per_second) } else { "–".into() };
        vec![one.what.clone(), per_second, if known { latency } else { "–".into() }]
    });
    report.table(&["what", "a second", "p50 / p99 ms"], &rows.collect::<Vec<_>>());
}
