//! PostgreSQL, one transaction per append: a version per stream, unique ids, a serial for the order. Driven by pgbench.

use std::{fs, path::PathBuf, process::Command};

use crate::load::{Figure, Latency, Span};

const TABLES: &str = "
DROP TABLE IF EXISTS events, streams;
CREATE TABLE streams (stream text PRIMARY KEY, version bigint NOT NULL);
CREATE TABLE events (
    position bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id uuid NOT NULL UNIQUE,
    stream text NOT NULL,
    version bigint NOT NULL,
    type text NOT NULL,
    data jsonb NOT NULL,
    metadata jsonb NOT NULL,
    recorded_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (stream, version)
);";

/// A running PostgreSQL.
pub(crate) struct Postgres {
    url: String,
    programs: PathBuf,
}

impl Postgres {
    /// The one the environment names; refuses one that answers before the flush.
    pub(crate) fn find() -> Result<Self, String> {
        let url = std::env::var("GESTA_TEST_POSTGRES_URL")
            .map_err(|_| "GESTA_TEST_POSTGRES_URL is not set: eval \"$(cargo xtask services start)\"")?;
        let postgres = Self { url, programs: programs()? };
        for setting in ["fsync", "synchronous_commit", "full_page_writes"] {
            let value = postgres.ask(&format!("SHOW {setting}"))?;
            if value.trim() != "on" {
                return Err(format!("this PostgreSQL answers before the flush: set {setting} = on"));
            }
        }
        Ok(postgres)
    }

    /// What it calls itself.
    pub(crate) fn version(&self) -> String {
        let version = self.ask("SHOW server_version").unwrap_or_default();
        let number = version.split_whitespace().next().unwrap_or("?").to_owned();
        format!("PostgreSQL {number}, one transaction per request")
    }

    /// Appends to empty tables, so many events a transaction.
    pub(crate) fn measure(&self, connections: usize, events: usize, span: Span) -> Result<Figure, String> {
        self.ask(TABLES)?;
        let folder = tempfile::tempdir().map_err(|cause| cause.to_string())?;
        let script = folder.path().join("append.sql");
        fs::write(&script, script_of(events)).map_err(|cause| cause.to_string())?;
        self.pgbench(connections, span.warm_up.as_secs().max(1), &script, &folder.path().join("warm-up"))?;
        let logs = folder.path().join("measured");
        let seconds = span.measured.as_secs().max(1);
        self.pgbench(connections, seconds, &script, &logs)?;
        read_logs(folder.path(), connections, seconds)
    }

    /// The address of an empty database of this name, made anew.
    pub(crate) fn database(&self, name: &str) -> Result<String, String> {
        self.ask(&format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"))?;
        self.ask(&format!("CREATE DATABASE {name} TEMPLATE template0"))?;
        let (server, _) = self.url.rsplit_once('/').ok_or("GESTA_TEST_POSTGRES_URL names no database")?;
        Ok(format!("{server}/{name}"))
    }

    fn pgbench(
        &self,
        connections: usize,
        seconds: u64,
        script: &std::path::Path,
        log: &std::path::Path,
    ) -> Result<(), String> {
        let threads = connections.min(2).to_string();
        let mut command = Command::new(self.programs.join("pgbench"));
        command.args(["--no-vacuum", "--protocol=prepared", "--log", "--jobs", &threads]);
        command
            .args(["--client", &connections.to_string(), "--time", &seconds.to_string(), "--file"])
            .arg(script);
        command.arg(format!("--log-prefix={}", log.display())).arg(&self.url);
        finish(command).map(drop)
    }

    fn ask(&self, statement: &str) -> Result<String, String> {
        let mut command = Command::new(self.programs.join("psql"));
        command.args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-c", statement]).arg(&self.url);
        finish(command)
    }
}

/// One statement is one transaction. The stream's version is the lock that keeps two writers apart.
fn script_of(events: usize) -> String {
    let data = concat!(
        "{\"sent_at\":0,\"sample_id\":\"sample-', :stream::bigint, '\",\"barcode\":\"SAM-20240618-', :word::bigint, '\",",
        "\"sample_type\":\"DNA\",\"volume_ml\":1.5,\"location\":\"freezer-', :word::bigint, '\",\"submitter\":\"', :word::bigint, '\",",
        "\"note\":\"received in good order, label readable, seal intact, chain of custody complete ', :word::bigint, '\"}"
    );
    let metadata = crate::wire::Workload::metadata();
    format!(
        "\\set stream random_zipfian(1, 100000, 1.06)
\\set word random(1000000000000000, 9000000000000000)
WITH head AS (
    INSERT INTO streams VALUES ('sample-' || :stream::bigint, {events})
    ON CONFLICT (stream) DO UPDATE SET version = streams.version + {events} RETURNING version)
INSERT INTO events (id, stream, version, type, data, metadata)
SELECT gen_random_uuid(), 'sample-' || :stream::bigint, head.version - {events} + at, 'sample.created',
       concat('{data}')::jsonb, '{metadata}'::jsonb
FROM head, generate_series(1, {events}) AS at;
"
    )
}

/// Each line is a transaction: client, number, microseconds, script, time.
fn read_logs(folder: &std::path::Path, connections: usize, seconds: u64) -> Result<Figure, String> {
    let mut latencies =
        hdrhistogram::Histogram::<u64>::new_with_bounds(1, 60_000_000, 3).expect("the bounds are legal");
    for file in fs::read_dir(folder).map_err(|cause| cause.to_string())?.flatten() {
        if !file.file_name().to_string_lossy().starts_with("measured") {
            continue;
        }
        let text = fs::read_to_string(file.path()).map_err(|cause| cause.to_string())?;
        for micros in text.lines().filter_map(|line| line.split(' ').nth(2)?.parse::<u64>().ok()) {
            latencies.saturating_record(micros);
        }
    }
    let requests = latencies.len();
    let per_second = requests as f64 / seconds as f64;
    Ok(Figure { connections, requests, per_second, latency: Latency::of(&latencies) })
}

fn programs() -> Result<PathBuf, String> {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let newest =
        versions.map(|entry| entry.path().join("bin")).filter(|bin| bin.join("pgbench").is_file()).max();
    newest
        .ok_or_else(|| "pgbench is not in /usr/lib/postgresql; as root: apt-get install -y postgresql".into())
}

fn finish(mut command: Command) -> Result<String, String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.output().map_err(|cause| format!("{name} does not start: {cause}"))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(format!("{name}: {}", String::from_utf8_lossy(&output.stderr).trim()))
}
