//! The file store in process: appends by 256 writers from empty to millions of events, a scan, and a start after a kill.
//!
//! Each phase is a process of its own, so that what it uses is its own, and so that it can be killed.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{ask, fresh};
use crate::{
    load::Latency,
    process::size,
    report::{Report, mebibytes, rate},
    settings::Settings,
};

mod grow;
mod scan;

/// What a stretch of appends came to.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Stretch {
    /// Events in the log at its end.
    events: u64,
    /// Appends a second.
    per_second: f64,
    /// Milliseconds.
    p50: f64,
    p99: f64,
    /// Resident bytes at its end.
    memory: u64,
}

impl Stretch {
    fn new(events: u64, per_second: f64, latency: Latency, memory: u64) -> Self {
        Self { events, per_second, p50: latency.p50, p99: latency.p99, memory }
    }
}

/// Runs a phase in this process: `bench phase grow|recover|scan|engine FOLDER EVENTS`.
pub(crate) fn phase(arguments: &[String]) -> Result<(), String> {
    let [name, folder, events] = arguments else { return Err("phase NAME FOLDER EVENTS".into()) };
    let events = events.parse().map_err(|_| "EVENTS is no number")?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.map_err(|cause| cause.to_string())?;
    let folder = Path::new(folder);
    match name.as_str() {
        "grow" => runtime.block_on(grow::grow(folder, events)),
        "recover" => runtime.block_on(grow::recover(folder)),
        "scan" => runtime.block_on(scan::scan(folder)),
        "engine" => runtime.block_on(super::engine::phase(folder, events)),
        other => Err(format!("no phase is called {other:?}")),
    }
}

/// Runs all phases and reports them.
pub(super) fn run(settings: &Settings, report: &mut Report) -> Result<(), String> {
    report.part("The file store in process");
    let folder = fresh(&settings.folder.join("grown"))?;
    let grown = ask("grow", &folder, settings.events)?;
    let stretches: Vec<Stretch> = grown.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let last = stretches.last().ok_or("no stretch was measured")?;
    let bytes = size(&folder);
    let chosen = stretches
        .iter()
        .enumerate()
        .filter(|(at, _)| *at == 0 || (at + 1) % (stretches.len() / 5).max(1) == 0);
    let rows = chosen.map(|(_, one)| {
        let latency = format!("{:.2} / {:.2}", one.p50, one.p99);
        vec![rate(one.events as f64), rate(one.per_second), latency, mebibytes(one.memory)]
    });
    report.say("256 writers, one event an append, every append checks its stream's version, durable.");
    report.table(
        &["events in the log", "appends/s", "p50 / p99 ms", "resident memory"],
        &rows.collect::<Vec<_>>(),
    );
    report.say(&format!(
        "On disk {} for {} events: {} bytes an event.",
        mebibytes(bytes),
        last.events,
        bytes / last.events.max(1)
    ));
    report.keep("embedded_stretches", &stretches);
    report.keep("embedded_bytes_per_event", bytes / last.events.max(1));

    // `grow` ends by being killed under load, so this is a start after a crash.
    let recovered: serde_json::Value = last_line(&ask("recover", &folder, 0)?)?;
    report.say(&format!(
        "Killed under load, then opened to the first acknowledged append: {} ms.",
        recovered["milliseconds"]
    ));
    report.keep("recovery", recovered);
    let scanned: serde_json::Value = last_line(&ask("scan", &folder, 0)?)?;
    let of = |name: &str| rate(scanned[name].as_f64().unwrap_or(0.0));
    report.say(&format!(
        "Scan through the port: {} events/s; through a subscription: {} events/s; one type of the log: {} events/s.",
        of("port_per_second"),
        of("subscription_per_second"),
        of("filtered_per_second")
    ));
    report.keep("scan", scanned);
    Ok(())
}

fn last_line(printed: &str) -> Result<serde_json::Value, String> {
    serde_json::from_str(printed.lines().last().unwrap_or("")).map_err(|cause| format!("{cause}: {printed}"))
}
