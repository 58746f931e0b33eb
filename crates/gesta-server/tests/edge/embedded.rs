//! The life of a server that is part of a program with processors.

use std::{
    path::Path,
    sync::{Arc, Mutex},
};

use gesta::{ProcessorOptions, ProcessorState, Processors, Projection, ProjectionError, Rows, Table};
use gesta_core::{EventHandler, Filter, HandlerError, Position, RecordedEvent, SystemClock, Tenant};
use gesta_server::{Backend, Config, Running, ServeError, Server, open};

use crate::support::{PATIENCE, ask, get, listener, publish};

/// Remembers the positions it was handed.
struct Recorder(Arc<Mutex<Vec<u64>>>);

#[async_trait::async_trait]
impl EventHandler for Recorder {
    fn name(&self) -> &str {
        "recorder"
    }

    fn filter(&self) -> Filter {
        Filter::of(Tenant::default())
    }

    async fn handle(&self, events: &[RecordedEvent]) -> Result<(), HandlerError> {
        self.0.lock().expect("nobody panics").extend(events.iter().map(|event| event.position.get()));
        Ok(())
    }
}

/// A program: its processors, and what its handler was handed.
struct Program {
    running: Running,
    processors: Arc<Processors>,
    handed: Arc<Mutex<Vec<u64>>>,
}

impl Program {
    async fn start(folder: &Path) -> Self {
        let backend = Backend::file(folder, gesta_file::Options::default()).await.expect("opens");
        let processors = Arc::new(Processors::new(
            backend.store(),
            backend.checkpoints(),
            Arc::new(SystemClock),
            "program",
        ));
        let handed = Arc::new(Mutex::default());
        let recorder = Arc::new(Recorder(Arc::clone(&handed)));
        processors.add_handler(recorder, ProcessorOptions::default()).await.expect("added");
        let server = Server::new(backend, Config::default()).with_processors(Arc::clone(&processors));
        let running = server.start_on(listener().await).await.expect("starts");
        Self { running, processors, handed }
    }

    async fn publish(&self) {
        let reply = ask(self.running.address(), &publish()).await;
        assert_eq!(reply.status, 200, "{reply:?}");
    }

    fn handed(&self) -> Vec<u64> {
        self.handed.lock().expect("nobody panics").clone()
    }
}

#[tokio::test]
async fn processors_begin_and_end_with_the_server_and_lose_nothing_between() {
    let folder = tempfile::tempdir().expect("a folder");
    let program = Program::start(folder.path()).await;
    for _ in 0..3 {
        program.publish().await;
    }
    program.processors.wait_for("recorder", Position::new(3), PATIENCE).await.expect("handled");
    assert_eq!(program.handed(), [1, 2, 3]);
    let Program { running, processors, .. } = program;
    running.stop().await.expect("stops, the store closed");
    let state = processors.get("recorder").expect("known").status.state;
    let runs = matches!(state, ProcessorState::Running | ProcessorState::Retrying { .. });
    assert!(!runs, "it outlives the server: {state:?}");

    let program = Program::start(folder.path()).await;
    program.publish().await;
    program.processors.wait_for("recorder", Position::new(4), PATIENCE).await.expect("handled");
    assert_eq!(program.handed(), [4], "it goes on where it stopped");
    program.running.stop().await.expect("stops");
}

#[tokio::test]
async fn a_program_listens_before_it_touches_its_folder() {
    let folder = tempfile::tempdir().expect("a folder");
    let taken = listener().await;
    let mut config = Config::default();
    (config.port, config.data) = (taken.local_addr().expect("bound").port(), folder.path().join("data"));
    let refused = open(&config).await.err().expect("refused").to_string();
    assert!(refused.contains("another program listens on") && !config.data.exists(), "{refused}");

    drop(taken);
    let (listener, backend) = open(&config).await.expect("free again");
    let server = Server::new(backend, config.clone());
    server.serve_on(listener, async {}).await.expect("serves, and stops when told");
    assert!(config.data.join("meta").exists());
}

#[tokio::test]
async fn metrics_tell_how_processors_do() {
    let folder = tempfile::tempdir().expect("a folder");
    let program = Program::start(folder.path()).await;
    for _ in 0..2 {
        program.publish().await;
    }
    program.processors.wait_for("recorder", Position::new(2), PATIENCE).await.expect("handled");
    let metrics = ask(program.running.address(), &get("/metrics", "")).await.body;
    for (series, value) in [("events_total", 2), ("lag_events", 0), ("lag_seconds", 0), ("failures_total", 0)]
    {
        let line = format!("gesta_processor_{series}{{processor=\"recorder\"}} {value}\n");
        assert!(metrics.contains(&line), "{line} is missing: {metrics}");
    }
    let bytes =
        metrics.lines().find_map(|line| line.strip_prefix("gesta_log_bytes ")).expect("the size of the log");
    assert!(bytes.parse::<u64>().expect("a number") > 0, "{bytes}");
    program.running.stop().await.expect("stops");
}

/// Has a table that no database can make.
struct Impossible;

impl Projection for Impossible {
    fn name(&self) -> &str {
        "impossible"
    }

    fn filter(&self) -> Filter {
        Filter::of(Tenant::default())
    }

    fn tables(&self) -> Vec<Table> {
        vec![Table::new("impossible", "CREATE TABLE {impossible} (id TEXT, id TEXT)")]
    }

    fn project(&self, _: &RecordedEvent, _: &mut Rows) -> Result<(), ProjectionError> {
        Ok(())
    }
}

#[tokio::test]
async fn a_processor_that_cannot_begin_is_told_at_the_start() {
    let folder = tempfile::tempdir().expect("a folder");
    let backend = Backend::file(folder.path(), gesta_file::Options::default()).await.expect("opens");
    let processors =
        Processors::new(backend.store(), backend.checkpoints(), Arc::new(SystemClock), "program")
            .with_read_models(backend.read_models().expect("the file store has them"));
    processors.add_projection(Impossible, ProcessorOptions::default()).await.expect("added");
    let recorder = Arc::new(Recorder(Arc::default()));
    processors.add_handler(recorder, ProcessorOptions::default()).await.expect("added");
    let processors = Arc::new(processors);
    let server = Server::new(backend, Config::default()).with_processors(Arc::clone(&processors));
    let refused = server.start_on(listener().await).await.err().expect("refused");
    assert!(matches!(refused, ServeError::Processors(_)), "{refused}");
    assert!(refused.to_string().contains("impossible"), "{refused}");
    // All were stopped, or this would find them started and do nothing.
    assert!(processors.start_all().await.is_err(), "nothing runs on that nobody would stop");
    processors.shutdown().await;
}
