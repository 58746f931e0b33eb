//! Projections over the file store: exactly once, failures, generations.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    time::Duration,
};

use gesta::{
    ProcessorInfo, ProcessorOptions, ProcessorState, Processors, Projection, ProjectionError, Rows, Table,
};
use gesta_core::{
    AppendBatch, EventStore, ExpectedVersion, Filter, NewEvent, Position, RecordedEvent, SystemClock, Tenant,
    values,
};
use gesta_file::{FileStore, Options};
use tempfile::TempDir;

mod dead_letters;
mod exactly_once;
mod failures;
mod fencing;
mod generations;
mod replay;
mod shared;

pub(crate) const PATIENCE: Duration = Duration::from_secs(20);
pub(crate) const NAME: &str = "tally-projection";

/// What a test may change about the projection.
#[derive(Clone, Default)]
pub(crate) struct Knobs {
    pub(crate) version: Arc<AtomicU32>,
    /// Events of the category `bad` cannot be projected.
    pub(crate) picky: Arc<AtomicBool>,
}

/// Counts the events of each stream. Not idempotent on purpose: a repeated event shows.
pub(crate) struct Tallies(pub(crate) Knobs);

impl Projection for Tallies {
    fn name(&self) -> &str {
        NAME
    }

    fn version(&self) -> u32 {
        self.0.version.load(Ordering::Relaxed)
    }

    fn filter(&self) -> Filter {
        Filter::of(Tenant::default())
    }

    fn tables(&self) -> Vec<Table> {
        vec![
            Table::new(
                "tallies",
                "CREATE TABLE {tallies} (stream TEXT PRIMARY KEY, n BIGINT NOT NULL, last BIGINT NOT NULL)",
            )
            .with("CREATE INDEX {tallies}_n ON {tallies} (n)"),
        ]
    }

    fn project(&self, event: &RecordedEvent, rows: &mut Rows) -> Result<(), ProjectionError> {
        if self.0.picky.load(Ordering::Relaxed) && event.stream.category() == "bad" {
            return Err(ProjectionError::new("it is bad"));
        }
        // Events of `huge` break a constraint of the table.
        let n = (event.stream.category() != "huge").then_some(1);
        rows.execute(
            "INSERT INTO {tallies} VALUES ($1, $2, $3)
             ON CONFLICT (stream) DO UPDATE SET n = {tallies}.n + 1, last = excluded.last",
            values![event.stream.as_str(), n, event.position],
        );
        Ok(())
    }
}

/// A data folder and the processors of one process on it.
pub(crate) struct Site {
    pub(crate) folder: Arc<TempDir>,
    pub(crate) store: FileStore,
    pub(crate) processors: Arc<Processors>,
    pub(crate) knobs: Knobs,
    options: ProcessorOptions,
}

pub(crate) fn quick() -> ProcessorOptions {
    ProcessorOptions {
        flush: Duration::from_millis(5),
        first_delay: Duration::from_millis(5),
        ..ProcessorOptions::default()
    }
}

impl Site {
    pub(crate) async fn new() -> Self {
        Self::with(quick()).await
    }

    pub(crate) async fn with(options: ProcessorOptions) -> Self {
        let folder = Arc::new(tempfile::tempdir().expect("a folder"));
        Self::open(folder, Knobs::default(), options).await
    }

    async fn open(folder: Arc<TempDir>, knobs: Knobs, options: ProcessorOptions) -> Self {
        let store = FileStore::open(folder.path(), Options::default().without_sync()).expect("opens");
        let log: Arc<dyn EventStore> = Arc::new(store.clone());
        let processors = Processors::new(log, store.checkpoints(), Arc::new(SystemClock), "this-process")
            .with_read_models(store.read_models());
        processors.add_projection(Tallies(knobs.clone()), options.clone()).await.expect("adds");
        processors.start_all().await.expect("starts");
        Self { folder, store, processors: Arc::new(processors), knobs, options }
    }

    /// Stops everything and starts it again from the folder.
    pub(crate) async fn restart(self) -> Self {
        self.processors.shutdown().await;
        self.store.close().await;
        let Self { folder, knobs, options, store, processors } = self;
        drop((store, processors));
        Self::open(folder, knobs, options).await
    }

    /// Appends `count` events to a stream; answers with the last position.
    pub(crate) async fn append(&self, stream: &str, count: usize) -> Position {
        append(&self.store, stream, count).await
    }

    pub(crate) async fn wait(&self, position: Position) {
        self.processors.wait_for("tally", position, PATIENCE).await.expect("gets there");
    }

    /// What queries see: streams with their counts.
    pub(crate) async fn rows(&self) -> Vec<(String, i64)> {
        let rows =
            self.store.read_models().query("SELECT stream, n FROM tallies ORDER BY stream".into()).await;
        let read = |row: &gesta_core::read_model::Row| {
            (row.get("stream").expect("text"), row.get("n").expect("a number"))
        };
        rows.expect("answers").iter().map(read).collect()
    }

    pub(crate) fn info(&self) -> ProcessorInfo {
        self.processors.get(NAME).expect("is there")
    }

    /// Looks at it again and again until it is as asked for.
    pub(crate) async fn until(&self, what: &str, is: impl Fn(&ProcessorInfo) -> bool) -> ProcessorInfo {
        let look = async {
            loop {
                let info = self.info();
                if is(&info) {
                    return info;
                }
                tokio::task::yield_now().await;
            }
        };
        let found = tokio::time::timeout(PATIENCE, look).await;
        found.unwrap_or_else(|_| panic!("never {what}: {:?}", self.info()))
    }

    pub(crate) async fn stopped(&self) -> String {
        let is = |info: &ProcessorInfo| matches!(info.status.state, ProcessorState::Stopped { .. });
        match self.until("stopped", is).await.status.state {
            ProcessorState::Stopped { reason } => reason.expect("it says why"),
            other => panic!("it is {other:?}"),
        }
    }
}

pub(crate) async fn append(store: &FileStore, stream: &str, count: usize) -> Position {
    let events = (0..count).map(|_| NewEvent::new("x", "1"));
    let batch = AppendBatch::to(stream.parse().expect("legal"), ExpectedVersion::Any, events);
    store.append(batch).await.expect("appends").last().position
}

pub(crate) fn row(stream: &str, n: i64) -> (String, i64) {
    (stream.to_owned(), n)
}
