//! What `cargo xtask faults projection_kill` kills: projections under load on a data folder or a PostgreSQL database, and a
//! fold of the log to compare their rows with.
//!
//! `projection_kill PLACE owners` runs two owners of the same projections side by side, `one` and `two` run one of them
//! each, `rebuild` is one that rebuilds them again and again, and `verify` lets them catch up and compares. On a database
//! several of them may run at once; `fresh` makes it anew.

use std::{
    collections::BTreeMap,
    error::Error,
    sync::Arc,
    time::{Duration, SystemTime},
};

use async_trait::async_trait;
use futures_util::TryStreamExt;
use gesta::{ProcessorOptions, Processors, Projection, ProjectionError, Rows, Table};
use gesta_conformance::around::{Around, AroundCheckpoints, AroundReadModels};
use gesta_core::{
    AppendBatch, Checkpoint, CheckpointError, CheckpointKey, CheckpointStore, Epoch, EventStore,
    ExpectedVersion, Filter, NewEvent, Position, ReadAll, RecordedEvent, SystemClock, Tenant,
    read_model::{Commit, ReadModelError, ReadModelStore, Statement},
    values,
};
use gesta_file::FileStore;
use gesta_postgres::PostgresStore;

type Failure = Box<dyn Error + Send + Sync>;

const LEASE: Duration = Duration::from_millis(300);

/// Counts and sums the events of each stream. Not idempotent: what is done twice shows.
struct Sums;

impl Projection for Sums {
    fn name(&self) -> &str {
        "sums-projection"
    }

    fn filter(&self) -> Filter {
        Filter::of(Tenant::default())
    }

    fn tables(&self) -> Vec<Table> {
        let create = "CREATE TABLE {sums} (stream TEXT PRIMARY KEY, n BIGINT NOT NULL, sum BIGINT NOT NULL)";
        vec![Table::new("sums", create)]
    }

    fn project(&self, event: &RecordedEvent, rows: &mut Rows) -> Result<(), ProjectionError> {
        rows.execute(
            "INSERT INTO {sums} VALUES ($1, 1, $2) ON CONFLICT (stream) DO UPDATE
             SET n = {sums}.n + 1, sum = {sums}.sum + excluded.sum",
            values![event.stream.as_str(), event.position],
        );
        Ok(())
    }
}

/// A row for each event of some streams, without a key that would keep a second one out.
struct Entries;

impl Projection for Entries {
    fn name(&self) -> &str {
        "entries-projection"
    }

    fn filter(&self) -> Filter {
        Filter::of(Tenant::default()).streams(["load-1*"])
    }

    fn tables(&self) -> Vec<Table> {
        vec![Table::new("entries", "CREATE TABLE {entries} (position BIGINT NOT NULL, stream TEXT NOT NULL)")]
    }

    fn project(&self, event: &RecordedEvent, rows: &mut Rows) -> Result<(), ProjectionError> {
        rows.execute("INSERT INTO {entries} VALUES ($1, $2)", values![event.position, event.stream.as_str()]);
        Ok(())
    }
}

/// Takes its time on the way to the database, and what is on its way arrives although nobody waits for it any more: as
/// with a database over a network.
struct Slow(Arc<dyn ReadModelStore>);

impl Slow {
    async fn wait_on_the_way(&self) {
        // A few milliseconds that nobody can foresee.
        let now = SystemTime::UNIX_EPOCH.elapsed().map_or(0, |since| since.subsec_nanos());
        tokio::time::sleep(Duration::from_micros(u64::from(now % 9_973))).await;
    }
}

#[async_trait]
impl AroundCheckpoints for Slow {
    fn checkpoints(&self) -> &dyn CheckpointStore {
        &*self.0
    }

    async fn save(
        &self,
        key: &CheckpointKey,
        epoch: Epoch,
        saved: Checkpoint,
    ) -> Result<(), CheckpointError> {
        self.wait_on_the_way().await;
        self.0.save(key, epoch, saved).await
    }
}

#[async_trait]
impl AroundReadModels for Slow {
    fn read_models(&self) -> &dyn ReadModelStore {
        &*self.0
    }

    async fn commit(&self, commit: Commit) -> Result<(), ReadModelError> {
        let slow = Slow(self.0.clone());
        let sent = tokio::spawn(async move {
            slow.wait_on_the_way().await;
            let told = commit.key.name.starts_with("sums-projection@").then_some(commit.checkpoint.position);
            let done = slow.0.commit(commit).await;
            match (&done, told) {
                (Err(ReadModelError::Stale { .. }), _) => println!("fenced"),
                (Ok(()), Some(position)) => println!("done {position}"),
                _ => {}
            }
            done
        });
        let lost = |error: tokio::task::JoinError| ReadModelError::Unavailable { reason: error.to_string() };
        sent.await.map_err(lost)?
    }
}

/// A store that is open.
struct Opened {
    log: Arc<dyn EventStore>,
    checkpoints: Arc<dyn CheckpointStore>,
    read_models: Arc<dyn ReadModelStore>,
}

async fn open(place: &str) -> Result<Opened, Failure> {
    if place.starts_with("postgres") {
        let store = PostgresStore::connect(place, gesta_postgres::Options::default()).await?;
        let (checkpoints, read_models) = (store.checkpoints(), store.read_models());
        return Ok(Opened { log: Arc::new(store), checkpoints, read_models });
    }
    let store = FileStore::open(place, gesta_file::Options::default())?;
    let (checkpoints, read_models) = (store.checkpoints(), store.read_models());
    Ok(Opened { log: Arc::new(store), checkpoints, read_models })
}

/// Makes a database anew, through the one that every server has.
async fn make_anew(place: &str) -> Result<(), Failure> {
    let (server, name) = place.rsplit_once('/').ok_or("name a database")?;
    let (client, connection) =
        tokio_postgres::connect(&format!("{server}/postgres"), tokio_postgres::NoTls).await?;
    tokio::spawn(connection);
    client.batch_execute(&format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).await?;
    Ok(client.batch_execute(&format!("CREATE DATABASE {name} TEMPLATE template0")).await?)
}

async fn processors(store: &Opened, owner: &str, slow: bool) -> Result<Arc<Processors>, Failure> {
    let read_models = store.read_models.clone();
    let read_models = if slow { Arc::new(Around(Slow(read_models))) } else { read_models };
    let processors =
        Processors::new(store.log.clone(), store.checkpoints.clone(), Arc::new(SystemClock), owner)
            .with_read_models(read_models);
    let options = ProcessorOptions {
        lease: LEASE,
        batch: 20,
        flush: Duration::from_millis(2),
        ..ProcessorOptions::default()
    };
    processors.add_projection(Sums, options.clone()).await?;
    processors.add_projection(Entries, options).await?;
    processors.start_all().await?;
    Ok(Arc::new(processors))
}

/// Appends for ever.
async fn load(store: &Opened) -> Result<(), Failure> {
    for number in 0_u64.. {
        let stream = format!("load-{}", number % 23).parse()?;
        let events = (0..=number % 5).map(|_| NewEvent::new("loaded", "1"));
        store.log.append(AppendBatch::to(stream, ExpectedVersion::Any, events)).await?;
    }
    Ok(())
}

/// What the rows must be: the log, folded.
async fn fold(store: &Opened) -> Result<(Counts, Vec<(u64, String)>), Failure> {
    let (mut sums, mut entries) = (Counts::new(), Vec::new());
    let mut events = store.log.read_all(ReadAll::of(Filter::of(Tenant::default())));
    while let Some(event) = events.try_next().await? {
        let (n, sum) = sums.entry(event.stream.to_string()).or_default();
        (*n, *sum) = (*n + 1, *sum + event.position.get());
        if event.stream.as_str().starts_with("load-1") {
            entries.push((event.position.get(), event.stream.to_string()));
        }
    }
    Ok((sums, entries))
}

type Counts = BTreeMap<String, (u64, u64)>;

/// Where the projection of sums stands, whatever its generation.
async fn stands(store: &Opened) -> Result<Position, Failure> {
    let mut stands = Position::START;
    for generation in 1..200 {
        let key = CheckpointKey::new(Tenant::default(), format!("sums-projection@{generation}"));
        stands = stands.max(store.checkpoints.load(&key).await?.position);
    }
    Ok(stands)
}

/// Prints how many rows were compared and how many are not as they must be.
async fn verify(store: &Opened) -> Result<(), Failure> {
    let began = stands(store).await?;
    let processors = processors(store, "verify", false).await?;
    let head = store.log.head().await?.position;
    for name in ["sums", "entries"] {
        processors.wait_for(name, head, Duration::from_secs(60)).await?;
    }
    let models = store.read_models.clone();
    let (sums, entries) = fold(store).await?;
    let mut found = Counts::new();
    for row in models.query("SELECT stream, n, sum FROM sums".into()).await? {
        found.insert(row.get("stream")?, (row.get("n")?, row.get("sum")?));
    }
    let streams = sums.keys().chain(found.keys()).collect::<std::collections::BTreeSet<_>>();
    let mut compared = streams.len();
    let mut mismatches = streams.into_iter().filter(|stream| sums.get(*stream) != found.get(*stream)).count();
    let mut rows = Vec::new();
    loop {
        let page = "SELECT position, stream FROM entries ORDER BY position LIMIT 5000 OFFSET $1";
        let page = models.query(Statement::new(page, values![rows.len() as i64])).await?;
        if page.is_empty() {
            break;
        }
        for row in page {
            rows.push((row.get::<Position>("position")?.get(), row.get::<String>("stream")?));
        }
    }
    compared += entries.len();
    mismatches += entries.len().abs_diff(rows.len());
    mismatches += entries.iter().zip(&rows).filter(|(one, other)| one != other).count();
    let generation = processors.get("sums")?.generation;
    processors.shutdown().await;
    println!("verified {head} {compared} {mismatches} {generation} {began}");
    Ok(())
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Result<(), Failure> {
    let mut words = std::env::args().skip(1);
    let (Some(place), Some(mode)) = (words.next(), words.next()) else {
        return Err("projection_kill PLACE owners|one|two|rebuild|verify|fresh".into());
    };
    if mode == "fresh" {
        return make_anew(&place).await;
    }
    let store = open(&place).await?;
    match mode.as_str() {
        "owners" => {
            let _one = processors(&store, "one", true).await?;
            let _two = processors(&store, "two", true).await?;
            println!("ready");
            load(&store).await
        }
        "one" | "two" => {
            let here = processors(&store, &mode, true).await?;
            let _following = here.follow(LEASE / 6);
            println!("ready");
            load(&store).await
        }
        "rebuild" => {
            let one = processors(&store, "one", true).await?;
            let _following = one.follow(LEASE / 6);
            println!("ready");
            let rebuilds = async {
                loop {
                    for name in ["sums", "entries"] {
                        // One that is running already is as good.
                        let _ = one.rebuild(name).await;
                    }
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            };
            tokio::select! {
                done = load(&store) => done,
                () = rebuilds => Ok(()),
            }
        }
        "verify" => verify(&store).await,
        other => Err(format!("no mode is called {other}").into()),
    }
}
