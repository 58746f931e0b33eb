//! `gesta verify`: whether a data folder holds what it should.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use crate::{
    exit::{Failure, Outcome},
    output::number,
    progress::Progress,
    shared::Shared,
};

/// Check a data folder, byte for byte; no server may run on it
#[derive(Debug, Args)]
pub(crate) struct Verify {
    /// The data folder; GESTA_DATA or gesta-data when not given
    #[arg(long, value_name = "FOLDER")]
    data: Option<PathBuf>,
    /// The same without the option
    #[arg(conflicts_with = "data")]
    folder: Option<PathBuf>,
}

#[derive(Serialize)]
struct Report {
    clean: bool,
    events: u64,
    head: u64,
    streams: u64,
    segments: u64,
    bytes: u64,
    torn_bytes: u64,
    checkpoints: u64,
    snapshots: u64,
    findings: Vec<Finding>,
    findings_total: u64,
}

#[derive(Serialize)]
struct Finding {
    place: String,
    reason: String,
}

impl Verify {
    pub(crate) fn run(self, shared: &Shared) -> Outcome {
        let mut progress = Parts::new("verify");
        let data = self.data();
        let found = gesta_file::verify(&data, &mut |at| progress.at(&at)).map_err(Failure::failed)?;
        drop(progress);
        let report = Report {
            clean: found.is_clean(),
            events: found.events,
            head: found.head.get(),
            streams: found.streams,
            segments: found.segments,
            bytes: found.bytes,
            torn_bytes: found.torn_bytes,
            checkpoints: found.checkpoints,
            snapshots: found.snapshots,
            findings: found
                .findings
                .into_iter()
                .map(|f| Finding { place: f.place, reason: f.reason })
                .collect(),
            findings_total: found.findings_total,
        };
        shared.output.print(&report, text)?;
        if report.clean {
            return Ok(());
        }
        let (count, folder) = (number(report.findings_total), data.display());
        Err(Failure::failed(format!("{folder} is not clean: {count} findings; put it back from a backup")))
    }

    /// Where a server that was told as much as this command has its data.
    fn data(self) -> PathBuf {
        let given = self.data.or(self.folder).or_else(|| std::env::var_os("GESTA_DATA").map(PathBuf::from));
        given.unwrap_or_else(|| "gesta-data".into())
    }
}

fn text(report: &Report) -> String {
    let mut text = format!(
        "{} events in {} streams, {} segments, {} bytes",
        number(report.events),
        number(report.streams),
        number(report.segments),
        number(report.bytes),
    );
    if report.torn_bytes > 0 {
        text += &format!(
            "\na crash tore {} bytes off the end; nobody was told of them",
            number(report.torn_bytes)
        );
    }
    for finding in &report.findings {
        text += &format!("\n{}: {}", finding.place, finding.reason);
    }
    if report.clean {
        text += "\nclean";
    }
    text
}

/// Progress of work in parts, each with a total of its own.
pub(super) struct Parts {
    what: &'static str,
    part: &'static str,
    progress: Option<Progress>,
}

impl Parts {
    pub(super) fn new(what: &'static str) -> Self {
        Self { what, part: "", progress: None }
    }

    pub(super) fn at(&mut self, at: &gesta_file::Progress) {
        if self.part != at.part {
            self.part = at.part;
            self.progress = None;
        }
        let progress = self.progress.get_or_insert_with(|| Progress::new(self.what, Some(at.total)));
        progress.at(at.done, || at.part.to_owned());
    }
}
