//! `gesta export`: the log, or a part of it, into a file.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use gesta_api::{LogPage, LogQuery, Query};
use gesta_client::Client;
use gesta_core::limits;
use serde::Serialize;

use self::target::Target;
use crate::{
    exit::{Exit, Failure, Outcome},
    interrupt::Interrupt,
    output::{Output, number},
    progress::Progress,
    selection::Selection,
    shared::Shared,
};

mod cloudevent;
mod target;

/// Export events to a file, one JSON object a line
#[derive(Debug, Args)]
pub(crate) struct Export {
    /// The file, or - for standard output. Beside it FILE.cursor says how far it is: the same command goes on there
    file: PathBuf,
    /// How to write an event
    #[arg(long, value_enum, default_value_t = Format::Ndjson)]
    format: Format,
    /// Only what comes behind this cursor; of use with standard output
    #[arg(long, value_name = "CURSOR")]
    after: Option<String>,
    #[command(flatten)]
    selection: Selection,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// As the API answers it; import reads it as exported
    Ndjson,
    /// As CloudEvents; import reads it as cloudevents
    Cloudevents,
}

#[derive(Serialize)]
struct Report {
    exported: u64,
    head: u64,
    cursor: Option<String>,
}

impl Export {
    pub(crate) async fn run(self, shared: &Shared) -> Outcome {
        let interrupt = Interrupt::listen();
        let client = shared.client()?;
        let mut target = Target::open(&self.file)?;
        if self.after.is_some() && target.cursor().is_some() {
            return Err(Failure::usage(format!(
                "{} is begun already and goes on behind its own cursor: leave out --after, or name another file",
                self.file.display()
            )));
        }
        let mut report = Report { exported: 0, head: 0, cursor: target.cursor().or(self.after.clone()) };
        self.pages(&client, &mut target, &mut report, &interrupt).await?;
        match shared.output {
            // The events themselves are on standard output: what was done is said beside it.
            _ if target.is_stdout() => eprintln!("{}", text(&report)),
            Output::Text | Output::Json => shared.output.print(&report, text)?,
        }
        Ok(())
    }

    async fn pages(
        &self,
        client: &Client,
        target: &mut Target,
        report: &mut Report,
        interrupt: &Interrupt,
    ) -> Outcome {
        let mut progress = None;
        loop {
            let query = LogQuery {
                after: report.cursor.clone(),
                limit: Some(limits::PAGE_EVENTS),
                ..self.selection.query()
            };
            let page: LogPage<'static> = client.get(&format!("/api/v1/log?{}", query.to_query())).await?;
            for event in &page.events {
                match self.format {
                    Format::Ndjson => target.line(event)?,
                    Format::Cloudevents => target.line(&cloudevent::of(event))?,
                }
            }
            target.settle(&page.cursor)?;
            report.exported += page.events.len() as u64;
            report.head = page.head;
            report.cursor = Some(page.cursor);
            if page.next.is_none() {
                return Ok(());
            }
            if interrupt.is_asked() {
                return Err(stopped(report, target));
            }
            let at = page.events.last().map_or(0, |event| event.position.get());
            let progress = progress.get_or_insert_with(|| Progress::new("export", Some(page.head)));
            progress.at(at, || format!("{} events", number(report.exported)));
        }
    }
}

fn text(report: &Report) -> String {
    format!("{} events exported, up to position {}", number(report.exported), number(report.head))
}

fn stopped(report: &Report, target: &Target) -> Failure {
    let exported = number(report.exported);
    let how = match &report.cursor {
        Some(cursor) if target.is_stdout() => format!("go on with --after {cursor}"),
        _ => "run the same command again to go on".to_owned(),
    };
    Failure::new(Exit::Interrupted, format!("stopped after {exported} events: {how}"))
}
