//! What to measure, and for how long.

use std::{path::PathBuf, time::Duration};

use crate::load::Span;

/// What was asked for on the command line.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    /// A second each, to see that everything runs: its figures mean nothing.
    pub(crate) smoke: bool,
    /// Only these parts, or all.
    pub(crate) only: Vec<String>,
    /// The server under test.
    pub(crate) gesta: PathBuf,
    /// Where the report and the data go.
    pub(crate) folder: PathBuf,
    /// How far the embedded log grows.
    pub(crate) events: u64,
}

/// Printed for `--help`.
pub(crate) const HELP: &str = "\
cargo run --release -p bench -- [--smoke] [--only PART,PART] [--events N] [--gesta PATH] [--folder PATH]

  --smoke          a second each and a small log: shows that it runs, measures nothing
  --only           of: http, paced, peers, embedded, engine, idle, group, postgres
  --events N       how far the embedded log grows (10000000)
  --gesta PATH     the server's binary (target/release/gesta)
  --folder PATH    where report.json, report.md and the data go (target/bench)

Redis and PostgreSQL are found by GESTA_TEST_REDIS_URL and GESTA_TEST_POSTGRES_URL:
  eval \"$(cargo xtask services start)\"";

impl Settings {
    /// Reads the command line; an error is what to print.
    pub(crate) fn read(arguments: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut settings = Self {
            smoke: false,
            only: Vec::new(),
            gesta: "target/release/gesta".into(),
            folder: "target/bench".into(),
            events: 10_000_000,
        };
        let mut arguments = arguments;
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().ok_or(format!("{argument} needs a value"));
            match argument.as_str() {
                "--smoke" => (settings.smoke, settings.events) = (true, 20_000),
                "--only" => settings.only = value()?.split(',').map(str::to_owned).collect(),
                "--events" => settings.events = value()?.parse().map_err(|_| "--events needs a number")?,
                "--gesta" => settings.gesta = value()?.into(),
                "--folder" => settings.folder = value()?.into(),
                _ => return Err(HELP.into()),
            }
        }
        Ok(settings)
    }

    /// Whether a part was asked for.
    pub(crate) fn wants(&self, part: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|only| only == part)
    }

    /// How long a closed loop runs.
    pub(crate) fn closed(&self) -> Span {
        self.span(2, 8)
    }

    /// How long a fixed rate runs.
    pub(crate) fn paced(&self) -> Span {
        self.span(3, 20)
    }

    fn span(&self, warm_up: u64, measured: u64) -> Span {
        if self.smoke {
            return Span { warm_up: Duration::from_millis(200), measured: Duration::from_secs(1) };
        }
        Span { warm_up: Duration::from_secs(warm_up), measured: Duration::from_secs(measured) }
    }
}
