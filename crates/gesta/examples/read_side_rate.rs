//! How fast a handler that does nothing gets the log, and how fast a projection fills `state.db`.
//!
//! `cargo run --release -p gesta --example read_side_rate -- 1000000`

use std::{
    error::Error,
    sync::Arc,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use gesta::{ProcessorOptions, Processors, Projection, ProjectionError, Replay, Rows, Table};
use gesta_core::{
    AppendBatch, EventHandler, EventStore, ExpectedVersion, Filter, HandlerError, NewEvent, Position,
    RecordedEvent, SystemClock, Tenant, values,
};
use gesta_file::{FileStore, Options};

type Failure = Box<dyn Error + Send + Sync>;

const HOUR: Duration = Duration::from_secs(3600);

struct Nothing;

#[async_trait]
impl EventHandler for Nothing {
    fn name(&self) -> &str {
        "nothing"
    }

    fn filter(&self) -> Filter {
        Filter::of(Tenant::default())
    }

    async fn handle(&self, _: &[RecordedEvent]) -> Result<(), HandlerError> {
        Ok(())
    }
}

/// A row for each of 50,000 things, updated by every event of theirs.
struct Latest;

impl Projection for Latest {
    fn name(&self) -> &str {
        "latest-projection"
    }

    fn filter(&self) -> Filter {
        Filter::of(Tenant::default())
    }

    fn tables(&self) -> Vec<Table> {
        let create = "CREATE TABLE {latest} (thing TEXT PRIMARY KEY, kind TEXT NOT NULL, at BIGINT NOT NULL, n BIGINT NOT NULL)";
        vec![Table::new("latest", create)]
    }

    fn project(&self, event: &RecordedEvent, rows: &mut Rows) -> Result<(), ProjectionError> {
        rows.execute(
            "INSERT INTO {latest} VALUES ($1, $2, $3, 1) ON CONFLICT (thing) DO UPDATE
             SET kind = excluded.kind, at = excluded.at, n = {latest}.n + 1",
            values![event.stream.key(), &*event.event_type, event.recorded_at],
        );
        Ok(())
    }
}

async fn fill(store: &FileStore, events: usize) -> Result<(), Failure> {
    for batch in 0..events / 100 {
        let stream = format!("thing-{:05}", batch * 7_919 % 50_000).parse()?;
        let data = r#"{"customer_id":"0195f1c2-1111-7000-8000-000000000001","quantity":3}"#;
        let events = (0..100).map(|_| NewEvent::new("thing.changed", data));
        store.append(AppendBatch::to(stream, ExpectedVersion::Any, events)).await?;
    }
    Ok(())
}

fn told(what: &str, events: Position, took: Duration) {
    let rate = events.get() as f64 / took.as_secs_f64();
    println!("{what}: {events} events in {:.2} s, {rate:.0} events/s", took.as_secs_f64());
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let events = std::env::args().nth(1).map_or(Ok(200_000), |text| text.parse())?;
    let folder = tempfile::tempdir()?;
    let store = FileStore::open(folder.path(), Options::default())?;
    fill(&store, events).await?;
    let log: Arc<dyn EventStore> = Arc::new(store.clone());
    let head = store.head().await?.position;

    let began = Instant::now();
    let replay = Replay::of(log.clone(), Filter::of(Tenant::default())).start(Arc::new(Nothing)).await?;
    replay.finish().await?;
    told("replay to a handler that does nothing", head, began.elapsed());

    for batch in [100, 1_000] {
        let options = ProcessorOptions { batch, ..ProcessorOptions::default() };
        let processors = Processors::new(log.clone(), store.checkpoints(), Arc::new(SystemClock), "rate")
            .with_read_models(store.read_models());
        processors.add_projection(Latest, options).await?;
        let began = Instant::now();
        processors.start_all().await?;
        if batch != 100 {
            processors.reset("latest").await?;
        }
        processors.wait_for("latest", head, HOUR).await?;
        told(&format!("projection in batches of {batch}"), head, began.elapsed());
        processors.shutdown().await;
    }
    store.close().await;
    Ok(())
}
