//! `gesta import`: a file becomes events; a second time adds nothing.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use gesta_client::HttpStore;
use gesta_core::AppendError;
use serde::Serialize;

use crate::{
    exit::{Exit, Failure, Outcome},
    import::{
        Candidates, Columns, Mapping, Refused, Sender, Tally, Template, Trouble, cloudevents,
        csv::{CsvRows, Dialect},
        exported,
        lines::{self, Lines},
    },
    input,
    interrupt::Interrupt,
    output::number,
    progress::Progress,
    shared::Shared,
};

/// Import a file: CSV, JSON lines, CloudEvents, or what export wrote
#[derive(Debug, Args)]
pub(crate) struct Import {
    /// The file, or - for standard input
    file: PathBuf,
    /// What the file holds; guessed from its name when not given
    #[arg(long, value_enum)]
    format: Option<Format>,
    /// The stream of a row, such as 'case-{case_id}'
    #[arg(long, value_name = "TEMPLATE")]
    stream: Option<Template>,
    /// The type of a row, such as '{activity}'
    #[arg(long = "type", value_name = "TEMPLATE")]
    event_type: Option<Template>,
    /// The column that says when it happened
    #[arg(long, value_name = "COLUMN")]
    occurred_at: Option<String>,
    /// The zone of times that name none, such as UTC or Europe/Berlin
    #[arg(long, value_parser = zone)]
    zone: Option<jiff::tz::TimeZone>,
    /// What the event is about, such as 'patient-{patient}'
    #[arg(long, value_name = "TEMPLATE")]
    subject: Option<Template>,
    /// What tells one row from another; the whole row and its line when not given
    #[arg(long, value_name = "TEMPLATE")]
    id: Option<Template>,
    /// Where the rows are from: part of every id, so keep it; the name of the file when not given
    #[arg(long)]
    source: Option<String>,
    /// What separates the columns of a CSV file
    #[arg(long, default_value = ",", value_parser = delimiter, value_name = "CHARACTER")]
    delimiter: u8,
    /// The text of a cell without a value, such as NA, but not in columns of --stream and --id; an empty cell always is
    /// one
    #[arg(long, value_name = "TEXT")]
    null: Option<String>,
    /// Only these columns become data
    #[arg(long, value_delimiter = ',', value_name = "COLUMNS", conflicts_with = "drop")]
    take: Option<Vec<String>>,
    /// All columns but these become data
    #[arg(long, value_delimiter = ',', value_name = "COLUMNS")]
    drop: Option<Vec<String>>,
    /// Keep every cell as text, numbers too
    #[arg(long)]
    text: bool,
    /// What to do at a row that cannot be an event
    #[arg(long, value_enum, default_value_t = OnError::Stop)]
    on_error: OnError,
    /// Events per request
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u64).range(1..=500), value_name = "NUMBER")]
    batch: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Rows under a header
    Csv,
    /// One JSON object a line
    Ndjson,
    /// CloudEvents in JSON: one, an array, or one a line
    Cloudevents,
    /// What gesta export wrote as ndjson: ids and streams are kept
    Exported,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum OnError {
    /// Stop; what came before it is imported
    Stop,
    /// Name it and go on
    Skip,
}

fn zone(text: &str) -> Result<jiff::tz::TimeZone, String> {
    jiff::tz::TimeZone::get(text)
        .map_err(|_| "no such zone: use UTC or a name such as Europe/Berlin".to_owned())
}

fn delimiter(text: &str) -> Result<u8, String> {
    match text.as_bytes() {
        b"\\t" => Ok(b'\t'),
        [one] if !one.is_ascii_alphanumeric() && !matches!(one, b'"' | b'\n' | b'\r') => Ok(*one),
        _ => Err("use one character such as ; or \\t".to_owned()),
    }
}

#[derive(Serialize)]
struct Report<'a> {
    rows: u64,
    added: u64,
    already_there: u64,
    refused: u64,
    streams: usize,
    refusals: &'a [Refused],
}

impl Import {
    pub(crate) async fn run(self, shared: &Shared) -> Outcome {
        let interrupt = Interrupt::listen();
        let (input, size) = input::open(&self.file)?;
        let candidates = self.candidates(input).map_err(|trouble| self.unreadable(&trouble))?;
        let store = HttpStore::connect(shared.client()?).await?;
        let batch = usize::try_from(self.batch).expect("at most 500");
        let mut sender = Sender::new(&store, shared.tenant(), batch);
        let ended = self.send(candidates, &mut sender, size, &interrupt).await;
        report(shared, &sender.tally)?;
        ended
    }

    async fn send(
        &self,
        candidates: Candidates,
        sender: &mut Sender<'_>,
        size: Option<u64>,
        interrupt: &Interrupt,
    ) -> Outcome {
        let mut progress = Progress::new("import", size);
        for candidate in candidates {
            if interrupt.is_asked() {
                sender.flush().await.map_err(|error| self.broken_off(&error, &sender.tally))?;
                return Err(self.interrupted(&sender.tally));
            }
            match candidate {
                Ok(candidate) => {
                    let end = candidate.end;
                    let sent = sender.take(candidate).await;
                    if sent.map_err(|error| self.broken_off(&error, &sender.tally))? {
                        let tally = &sender.tally;
                        progress.at(end, || {
                            format!("{} rows, {} added", number(tally.rows), number(tally.added))
                        });
                    }
                }
                Err(Trouble::Row(refused)) if self.on_error == OnError::Skip => sender.tally.refuse(refused),
                Err(trouble) => {
                    sender.flush().await.map_err(|error| self.broken_off(&error, &sender.tally))?;
                    if let Trouble::Row(refused) = &trouble {
                        sender.tally.refuse(refused.clone());
                    }
                    return Err(self.stopped(&trouble));
                }
            }
        }
        sender.flush().await.map_err(|error| self.broken_off(&error, &sender.tally))?;
        match sender.tally.refused {
            0 => Ok(()),
            n => Err(Failure::failed(format!(
                "{} of {} rows were refused",
                number(n),
                number(sender.tally.rows)
            ))),
        }
    }

    fn candidates(&self, input: impl std::io::BufRead + Send + 'static) -> Result<Candidates, Trouble> {
        match self.format()? {
            Format::Exported => Ok(exported::candidates(input)),
            Format::Cloudevents => cloudevents::candidates(input, self.stream.clone()),
            Format::Ndjson => {
                let mapping = self.mapping()?;
                let candidate =
                    move |line: Result<lines::Line, Trouble>| Ok(mapping.candidate(&lines::row(&line?)?)?);
                Ok(Box::new(Lines::new(input).map(candidate)))
            }
            Format::Csv => {
                let mapping = self.mapping()?;
                let (delimiter, null, text) = (self.delimiter, self.null.clone(), self.text);
                let rows = CsvRows::new(input, Dialect { delimiter, null, text, names: mapping.names() })?;
                if let [first, ..] = &mapping.missing(rows.header())[..] {
                    let header = rows.header().join(", ");
                    return Err(Trouble::File(format!("there is no column {first:?}; there are {header}")));
                }
                Ok(Box::new(rows.map(move |row| Ok(mapping.candidate(&row?)?))))
            }
        }
    }

    fn format(&self) -> Result<Format, Trouble> {
        let extension = self.file.extension().and_then(|name| name.to_str()).unwrap_or_default();
        match (self.format, extension) {
            (Some(format), _) => Ok(format),
            (None, "csv" | "tsv" | "txt") => Ok(Format::Csv),
            (None, "ndjson" | "jsonl") => Ok(Format::Ndjson),
            _ => Err(Trouble::File("its name does not tell what it holds: say --format".to_owned())),
        }
    }

    fn mapping(&self) -> Result<Mapping, Trouble> {
        let needed = |template: &Option<Template>, say: &str| {
            template.clone().ok_or_else(|| Trouble::File(format!("its rows need {say}")))
        };
        Ok(Mapping {
            source: self.source(),
            stream: needed(&self.stream, "--stream, such as --stream 'case-{case_id}'")?,
            event_type: needed(&self.event_type, "--type, such as --type '{activity}'")?,
            id: self.id.clone(),
            subject: self.subject.clone(),
            occurred_at: self.occurred_at.clone(),
            zone: self.zone.clone(),
            columns: match (&self.take, &self.drop) {
                (Some(names), _) => Columns::Take(names.clone()),
                (None, Some(names)) => Columns::Drop(names.clone()),
                (None, None) => Columns::All,
            },
        })
    }

    /// The name of the file without its folder: the same file elsewhere is the same source.
    fn source(&self) -> String {
        let name =
            || self.file.file_name().unwrap_or(Path::new("-").as_os_str()).to_string_lossy().into_owned();
        self.source.clone().unwrap_or_else(name)
    }

    fn unreadable(&self, trouble: &Trouble) -> Failure {
        Failure::failed(format!("{} cannot be imported: {trouble}", self.file.display()))
    }

    fn stopped(&self, trouble: &Trouble) -> Failure {
        let file = self.file.display();
        Failure::failed(format!(
            "{file} {trouble}; put it right and run the same command again, or say --on-error skip: what is imported \
             already is not added twice"
        ))
    }

    fn broken_off(&self, error: &AppendError, tally: &Tally) -> Failure {
        let (file, settled) = (self.file.display(), tally.settled_line);
        Failure::new(
            Exit::of_append(error),
            format!(
                "{error}; {file} is imported up to line {settled}: run the same command again, nothing is added twice"
            ),
        )
    }

    fn interrupted(&self, tally: &Tally) -> Failure {
        let (file, settled) = (self.file.display(), tally.settled_line);
        Failure::new(
            Exit::Interrupted,
            format!(
                "stopped; {file} is imported up to line {settled}: run the same command again to go on, nothing is added twice"
            ),
        )
    }
}

fn report(shared: &Shared, tally: &Tally) -> Outcome {
    let report = Report {
        rows: tally.rows,
        added: tally.added,
        already_there: tally.already_there,
        refused: tally.refused,
        streams: tally.streams(),
        refusals: &tally.refusals,
    };
    for refused in report.refusals {
        eprintln!("line {}: {}", refused.line, refused.reason);
    }
    shared.output.print(&report, |report| {
        format!(
            "{} events in {} streams: {} added, {} already there; {} rows refused",
            number(report.rows - report.refused),
            number(report.streams as u64),
            number(report.added),
            number(report.already_there),
            number(report.refused),
        )
    })
}
