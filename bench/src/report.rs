//! What was measured: one JSON document, and a page for people.

use std::{fmt::Write as _, fs, path::Path};

use serde_json::{Map, Value, json};

use crate::load::Figure;

/// Everything measured in one run, in order.
#[derive(Default)]
pub(crate) struct Report {
    figures: Map<String, Value>,
    page: String,
}

impl Report {
    /// Begins a part.
    pub(crate) fn part(&mut self, title: &str) {
        println!("\n## {title}");
        let _ = write!(self.page, "\n## {title}\n");
    }

    /// A line of prose.
    pub(crate) fn say(&mut self, line: &str) {
        println!("{line}");
        let _ = write!(self.page, "\n{line}\n");
    }

    /// A table; also printed as it is made.
    pub(crate) fn table(&mut self, header: &[&str], rows: &[Vec<String>]) {
        let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
        let header: Vec<String> = header.iter().map(|cell| (*cell).to_owned()).collect();
        let rule: Vec<String> = header.iter().map(|_| "---".to_owned()).collect();
        let mut table = line(&header) + &line(&rule);
        rows.iter().for_each(|row| table.push_str(&line(row)));
        println!("{table}");
        let _ = write!(self.page, "\n{table}");
    }

    /// Keeps a figure under a name.
    pub(crate) fn keep(&mut self, name: &str, figure: impl serde::Serialize) {
        self.figures.insert(name.to_owned(), json!(figure));
    }

    /// Writes `report.json` and `report.md`.
    pub(crate) fn write(&self, folder: &Path) -> Result<(), String> {
        let text = serde_json::to_string_pretty(&self.figures).map_err(|cause| cause.to_string())?;
        let json = fs::write(folder.join("report.json"), text + "\n");
        json.and_then(|()| fs::write(folder.join("report.md"), &self.page)).map_err(|cause| cause.to_string())
    }
}

/// Thousands of events a second, or fewer with more digits.
pub(crate) fn rate(events: f64) -> String {
    match events {
        many if many >= 1e6 => format!("{:.2} M", many / 1e6),
        many if many >= 1e4 => format!("{:.1} k", many / 1e3),
        few => format!("{few:.0}"),
    }
}

/// Milliseconds: median, 99 %, 99.9 %.
pub(crate) fn latency(figure: &Figure) -> String {
    let of = figure.latency;
    format!("{:.2} / {:.2} / {:.1}", of.p50, of.p99, of.p999)
}

/// How many times as much.
pub(crate) fn ratio(one: f64, other: f64) -> String {
    if one > 0.0 && other > 0.0 { format!("{:.2}", one / other) } else { "–".into() }
}

/// Mebibytes.
pub(crate) fn mebibytes(bytes: u64) -> String {
    format!("{:.0} MiB", bytes as f64 / 1_048_576.0)
}
