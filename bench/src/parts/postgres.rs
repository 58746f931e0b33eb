//! The PostgreSQL store in one and in two processes, beside plain inserts of one transaction an event on the same server.
//!
//! Writers are processes of their own: `bench postgres WHAT …` with the database in `GESTA_BENCH_POSTGRES`.

use std::process::{Child, Command, Stdio};

use serde::{Deserialize, Serialize};

use crate::{
    load::{Latency, Span},
    peers::Postgres,
    report::{Report, rate, ratio},
    settings::Settings,
};

mod append;
mod follow;
mod grow;
mod project;
mod read;

/// The variable that names the database to a process of a run.
const DATABASE: &str = "GESTA_BENCH_POSTGRES";

/// Writers and events an append.
const LOADS: [(usize, usize); 6] = [(1, 1), (16, 1), (64, 1), (256, 1), (1, 100), (16, 100)];

/// What a process of writers came to.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Written {
    events_per_second: f64,
    latency: Latency,
}

/// Runs one of the processes of a run.
pub(crate) fn phase(arguments: &[String]) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.map_err(|cause| cause.to_string())?;
    let url = std::env::var(DATABASE).map_err(|_| format!("{DATABASE} is not set"))?;
    let (what, numbers) = arguments.split_first().ok_or("bench postgres WHAT NUMBER …")?;
    let numbers: Result<Vec<u64>, _> = numbers.iter().map(|number| number.parse()).collect();
    let numbers = numbers.map_err(|_| "only numbers follow")?;
    match (what.as_str(), &*numbers) {
        ("append", [first, writers, events, warm_up, measured]) => {
            let span = Span {
                warm_up: std::time::Duration::from_millis(*warm_up),
                measured: std::time::Duration::from_millis(*measured),
            };
            runtime.block_on(append::append(&url, *first, *writers, *events as usize, span))
        }
        ("pace", [rate, seconds]) => runtime.block_on(follow::pace(&url, *rate, *seconds)),
        ("follow", [events]) => runtime.block_on(follow::follow(&url, *events)),
        ("grow", [events]) => runtime.block_on(grow::grow(&url, *events)),
        ("project", [events]) => runtime.block_on(project::project(&url, *events)),
        ("read", [streams]) => runtime.block_on(read::read(&url, *streams)),
        _ => Err(format!("no phase is called {what:?} with {} numbers", numbers.len())),
    }
}

/// Runs all of it and reports it.
pub(super) fn run(settings: &Settings, report: &mut Report) -> Result<(), String> {
    report.part("The PostgreSQL store");
    let peer = Postgres::find()?;
    report.say(&format!(
        "Beside {}: the store in one process, in two that share the writers, and plain inserts.",
        peer.version()
    ));
    side_by_side(settings, report, &peer)?;
    let database = peer.database("gesta_bench_follow")?;
    follow::report(settings, report, &database)?;
    project::report(settings, report, &peer.database("gesta_bench_project")?)?;
    let database = peer.database("gesta_bench_grow")?;
    grow::report(settings, report, &database)
}

fn side_by_side(settings: &Settings, report: &mut Report, peer: &Postgres) -> Result<(), String> {
    let mut rows = Vec::new();
    for (writers, events) in LOADS {
        let load = format!("{writers} × {events}");
        let plain = peer.measure(writers, events, settings.closed())?;
        let plain = Written { events_per_second: plain.per_second * events as f64, latency: plain.latency };
        let mut measured = vec![("plain inserts", plain)];
        for (name, processes) in [("Gesta", 1), ("Gesta, two processes", 2)] {
            if processes <= writers {
                measured.push((name, together(settings, peer, processes, (writers, events))?));
            }
        }
        let base = measured[0].1.events_per_second;
        for (name, written) in &measured {
            println!("{load} {name}: {} events/s", rate(written.events_per_second));
            report.keep(&format!("postgres {load} {name}"), written);
            rows.push(vec![
                load.clone(),
                (*name).into(),
                rate(written.events_per_second),
                format!("{:.2} / {:.2}", written.latency.p50, written.latency.p99),
                ratio(written.events_per_second, base),
            ]);
        }
    }
    report.table(&["writers × events", "system", "events/s", "p50 / p99 ms", "it ÷ plain"], &rows);
    Ok(())
}

/// So many processes that share the writers, on an empty log. The latency is that of the slowest of them.
fn together(
    settings: &Settings,
    peer: &Postgres,
    processes: usize,
    (writers, events): (usize, usize),
) -> Result<Written, String> {
    let url = peer.database("gesta_bench_append")?;
    let span = settings.closed();
    let running: Vec<Child> = (0..processes)
        .map(|process| {
            let share = writers / processes;
            let numbers = [process * share, share, events].map(|number| number.to_string());
            let span = [span.warm_up, span.measured].map(|time| time.as_millis().to_string());
            start(&url, "append", numbers.iter().chain(&span))
        })
        .collect::<Result<_, _>>()?;
    let mut all = Written { events_per_second: 0.0, latency: Latency::default() };
    for child in running {
        let one: Written = finish(child)?;
        all.events_per_second += one.events_per_second;
        if all.latency.p99 < one.latency.p99 {
            all.latency = one.latency;
        }
    }
    Ok(all)
}

/// Starts a process of a run.
fn start<'a>(url: &str, what: &str, numbers: impl IntoIterator<Item = &'a String>) -> Result<Child, String> {
    let me = std::env::current_exe().map_err(|cause| cause.to_string())?;
    let mut command = Command::new(me);
    command.args(["postgres", what]).args(numbers).env(DATABASE, url).stdout(Stdio::piped());
    command.spawn().map_err(|cause| cause.to_string())
}

/// What it printed last, as JSON.
fn finish<T: serde::de::DeserializeOwned>(child: Child) -> Result<T, String> {
    let printed = printed(child)?;
    let last = printed.lines().last().unwrap_or_default();
    serde_json::from_str(last).map_err(|cause| format!("{cause}: {printed}"))
}

/// All it printed, once it has ended well.
fn printed(child: Child) -> Result<String, String> {
    let output = child.wait_with_output().map_err(|cause| cause.to_string())?;
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() { Ok(printed) } else { Err(format!("{} behind {printed:?}", output.status)) }
}

/// Prints a figure for the process that asked.
fn tell(figure: &impl Serialize) -> Result<(), String> {
    println!("{}", serde_json::to_string(figure).map_err(|cause| cause.to_string())?);
    Ok(())
}
