//! OR-15, OR-37: processors over HTTP: how they fare, and what an operator tells them.

use std::{
    sync::{
        Arc, Condvar, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use gesta::{ProcessorOptions, Processors, Projection, ProjectionError, Rows, Table};
use gesta_core::{
    EventHandler, Filter, HandlerError, Position, RecordedEvent, SystemClock, Tenant,
    read_model::{ReadModelStore, Statement},
    values,
};
use gesta_file::Options;
use gesta_server::{
    Backend, Config, Server as Embedded,
    auth::{
        Permission,
        keys::{Granted, make},
    },
};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::Server;

const PATIENCE: Duration = Duration::from_secs(20);

/// A gate that projections pass: open, or shut for who builds anew.
#[derive(Default)]
struct Gate {
    shut: Mutex<bool>,
    opened: Condvar,
}

impl Gate {
    fn set(&self, shut: bool) {
        *self.shut.lock().unwrap() = shut;
        self.opened.notify_all();
    }

    fn pass(&self) {
        let shut = self.shut.lock().unwrap();
        drop(self.opened.wait_timeout_while(shut, PATIENCE, |shut| *shut).unwrap());
    }
}

/// The names of what was seen, as a read model.
struct Seen {
    tenant: Tenant,
    gate: Arc<Gate>,
    fails: Arc<AtomicBool>,
}

impl Projection for Seen {
    fn name(&self) -> &str {
        "seen-projection"
    }

    fn filter(&self) -> Filter {
        Filter::of(self.tenant.clone())
    }

    fn tables(&self) -> Vec<Table> {
        vec![Table::new("seen", "CREATE TABLE {seen} (stream TEXT NOT NULL, position INTEGER PRIMARY KEY)")]
    }

    fn project(&self, event: &RecordedEvent, rows: &mut Rows) -> Result<(), ProjectionError> {
        self.gate.pass();
        if self.fails.load(Ordering::SeqCst) {
            return Err(ProjectionError::new("no room for needles"));
        }
        let position = event.position.get() as i64;
        rows.execute("INSERT INTO {seen} VALUES ($1, $2)", values![event.stream.to_string(), position]);
        Ok(())
    }
}

/// Handles the events of all tenants.
struct Everything;

#[async_trait::async_trait]
impl EventHandler for Everything {
    fn name(&self) -> &str {
        "everything"
    }

    fn filter(&self) -> Filter {
        Filter::default()
    }

    async fn handle(&self, _: &[RecordedEvent]) -> Result<(), HandlerError> {
        Ok(())
    }
}

/// An application with a projection of the tenant `default` and a handler of all tenants.
struct Application {
    server: Server,
    processors: Arc<Processors>,
    read_models: Arc<dyn ReadModelStore>,
    gate: Arc<Gate>,
    fails: Arc<AtomicBool>,
    _folder: TempDir,
}

impl Application {
    async fn start() -> Self {
        Self::with(Config::default()).await
    }

    async fn with(config: Config) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let backend = Backend::file(folder.path(), Options::default()).await.expect("opens");
        let read_models = backend.read_models().expect("the file store has them");
        let processors =
            Processors::new(backend.store(), backend.checkpoints(), Arc::new(SystemClock), "test")
                .with_read_models(Arc::clone(&read_models));
        let (gate, fails) = (Arc::new(Gate::default()), Arc::new(AtomicBool::default()));
        let seen = Seen { tenant: Tenant::default(), gate: Arc::clone(&gate), fails: Arc::clone(&fails) };
        let options = || ProcessorOptions { flush: Duration::ZERO, ..ProcessorOptions::default() };
        processors.add_projection(seen, options()).await.expect("added");
        processors.add_handler(Arc::new(Everything), options()).await.expect("added");
        processors.start_all().await.expect("started");
        let processors = Arc::new(processors);
        let embedded = Embedded::new(backend, config).with_processors(Arc::clone(&processors));
        let server = Server::of(embedded).await;
        Self { server, processors, read_models, gate, fails, _folder: folder }
    }

    /// Publishes an event and waits until it is projected.
    async fn publish(&self, subject: &str) -> u64 {
        let position = self.server.publish("thing.happened", subject).await["position"].as_u64().unwrap();
        for name in ["seen", "everything"] {
            let reached = self.processors.wait_for(name, Position::new(position), PATIENCE).await;
            reached.expect("projected");
        }
        position
    }

    async fn tell(&self, verb: &str) -> Value {
        self.server.post(&format!("/api/v1/processors/seen/{verb}"), "").await.ok()
    }

    async fn show(&self) -> Value {
        self.server.get("/api/v1/processors/seen").await.ok()
    }

    /// Asks until the processor is as it should be.
    async fn until(&self, what: &str, is_so: impl Fn(&Value) -> bool) -> Value {
        let asked = async {
            loop {
                let shown = self.show().await;
                if is_so(&shown) {
                    return shown;
                }
                tokio::task::yield_now().await;
            }
        };
        let found = tokio::time::timeout(PATIENCE, asked).await;
        found.unwrap_or_else(|_| panic!("in vain: {what}"))
    }

    async fn rows(&self) -> usize {
        let all = Statement::new("SELECT stream FROM seen", values![]);
        self.read_models.query(all).await.expect("a read model").len()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn processors_are_listed_with_how_they_fare() {
    let app = Application::start().await;
    let position = app.publish("sample-1").await;
    let last = app.server.get("/api/v1/log?direction=backwards&limit=1").await.ok();
    let listed = app.server.get("/api/v1/processors").await.ok();
    let [everything, seen] = &listed["processors"].as_array().unwrap()[..] else { panic!("two: {listed}") };
    assert_eq!((&everything["name"], &everything["kind"]), (&json!("everything"), &json!("handler")));
    assert_eq!((&everything["generation"], everything.get("tenant")), (&json!(0), None));
    assert_eq!((&seen["name"], &seen["kind"]), (&json!("seen-projection"), &json!("projection")));
    assert_eq!((&seen["tables"], &seen["tenant"]), (&json!(["seen"]), &json!("default")));
    assert_eq!((&seen["state"], &seen["position"]), (&json!("running"), &json!(position)));
    assert_eq!((&seen["lag_events"], &seen["lag_ms"], &seen["errors"]), (&json!(0), &json!(0), &json!(0)));
    assert_eq!(seen["last_event_id"], last["events"][0]["id"]);
    assert!(seen["last_processed_at"].is_string() && seen["processed"].as_u64() >= Some(1), "{seen}");
    let whole = app.server.get("/api/v1/processors/seen-projection").await.ok();
    assert_eq!((whole, app.show().await), (seen.clone(), seen.clone()), "the short name means the same");
    app.processors.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_processor_waits_until_it_is_resumed() {
    let app = Application::start().await;
    app.publish("sample-1").await;
    app.tell("pause").await;
    app.until("paused", |shown| shown["state"] == "paused").await;
    let position = app.server.publish("thing.happened", "sample-2").await["position"].as_u64().unwrap();
    let behind = app.until("behind", |shown| shown["head"].as_u64() >= Some(position)).await;
    assert!(behind["lag_events"].as_u64() >= Some(1), "{behind}");
    assert_eq!(app.rows().await, 1);
    app.tell("resume").await;
    app.until("caught up", |shown| shown["position"].as_u64() >= Some(position)).await;
    assert_eq!(app.rows().await, 2);
    app.processors.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rebuild_goes_on_beside_the_one_at_work_and_can_be_taken_back() {
    let app = Application::start().await;
    for subject in ["sample-1", "sample-2", "sample-3"] {
        app.publish(subject).await;
    }
    app.gate.set(true);
    let begun = app.tell("rebuild").await;
    assert_eq!((&begun["generation"], &begun["rebuild"]["generation"]), (&json!(1), &json!(2)));
    assert!(begun["rebuild"]["of"].as_u64() >= Some(3), "{begun}");
    app.server.post("/api/v1/processors/seen/rebuild", "").await.refused(409, "rebuild_running");
    assert_eq!(app.rows().await, 3, "queries are answered meanwhile");
    app.gate.set(false);
    let done = app.until("swapped in", |shown| shown["generation"] == 2).await;
    assert_eq!((done.get("rebuild"), &done["previous_generation"]), (None, &json!(1)));
    assert_eq!(app.rows().await, 3);
    app.tell("swap-back").await;
    app.until("swapped back", |shown| shown["generation"] == 1).await;
    assert_eq!(app.rows().await, 3);
    app.processors.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rebuild_that_is_cancelled_leaves_the_one_at_work() {
    let app = Application::start().await;
    app.publish("sample-1").await;
    // A rebuild of one that is paused waits.
    app.tell("pause").await;
    assert_eq!(app.tell("rebuild").await["rebuild"]["generation"], 2);
    let cancelled = app.tell("cancel-rebuild").await;
    assert_eq!((cancelled.get("rebuild"), &cancelled["generation"]), (None, &json!(1)));
    app.tell("resume").await;
    app.publish("sample-2").await;
    assert_eq!((&app.show().await["generation"], app.rows().await), (&json!(1), 2));
    app.processors.shutdown().await;
}

/// Which events failed is one permission, what is in them another.
#[tokio::test(flavor = "multi_thread")]
async fn dead_letters_are_shown_without_their_events_unless_streams_may_be_read() {
    let keys = tempfile::tempdir().unwrap();
    let file = keys.path().join("keys.json");
    let made = |granted: &[Permission]| {
        make(&file, &Tenant::default(), Granted::Some(granted.to_vec())).unwrap().key
    };
    let letters = made(&[Permission::DeadLetterRead]);
    let both = made(&[Permission::DeadLetterRead, Permission::StreamRead]);
    let processors = made(&[Permission::ProcessorRead, Permission::ProcessorManage]);
    let mut config = Config::default();
    config.keys_file = Some(file);
    let app = Application::with(config).await;
    let with = |key: &str| app.server.key(key);
    let (plain, joined) =
        ("/api/v1/processors/seen/dead-letters", "/api/v1/processors/seen/dead-letters?events=true");
    assert_eq!(with(&letters).get(plain).await.ok(), json!({"dead_letters": []}));
    with(&letters).get(joined).await.refused(403, "forbidden");
    with(&both).get(joined).await.ok();
    with(&both).get("/api/v1/processors/seen/dead-letters?all=true").await.refused(400, "malformed_request");
    let none = with(&letters).get("/api/v1/processors/seen/dead-letters/statistics").await.ok();
    assert_eq!(none, json!({"count": 0, "by_type": []}));
    with(&processors).get(plain).await.refused(403, "forbidden");
    let all = json!({"all": true}).to_string();
    with(&letters).post("/api/v1/processors/seen/dead-letters/replay", &all).await.refused(403, "forbidden");
    with(&letters)
        .get("/api/v1/processors/everything/dead-letters")
        .await
        .refused(404, "processor_not_found");
    app.processors.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reset_empties_the_read_model_and_fills_it_again() {
    let app = Application::start().await;
    let position = app.publish("sample-1").await;
    app.gate.set(true);
    app.tell("reset").await;
    assert_eq!(app.rows().await, 0, "it is empty at once");
    app.gate.set(false);
    app.until("again", |shown| shown["position"].as_u64() >= Some(position)).await;
    assert_eq!(app.rows().await, 1);
    app.processors.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_is_refused_with_the_reason() {
    let app = Application::start().await;
    app.server.post("/api/v1/processors/seen/swap-back", "").await.refused(409, "no_former_generation");
    app.server.post("/api/v1/processors/everything/rebuild", "").await.refused(422, "unsupported");
    app.server.get("/api/v1/processors/nobody").await.refused(404, "processor_not_found");
    app.server.post("/api/v1/processors/seen/cancel-rebuild", "").await.refused(409, "no_rebuild");
    for verb in ["pause", "resume", "reset", "rebuild", "cancel-rebuild", "swap-back"] {
        let path = format!("/api/v1/processors/nobody/{verb}");
        app.server.post(&path, "").await.refused(404, "processor_not_found");
    }
    app.processors.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_processor_that_has_stopped_is_told_to_its_operator_and_hinted_at_to_all() {
    let app = Application::start().await;
    app.fails.store(true, Ordering::SeqCst);
    app.server.publish("thing.happened", "sample-1").await;
    let stopped = app.until("stopped", |shown| shown["state"] == "stopped").await;
    assert!(stopped["reason"].as_str().is_some_and(|text| text.contains("no room for needles")), "{stopped}");
    assert!(stopped["last_error"].is_string() && stopped["errors"].as_u64() >= Some(1), "{stopped}");
    let health = app.server.get("/health").await.ok();
    assert_eq!(health["status"], "degraded");
    let check = health["checks"]["processors"].as_str().unwrap();
    assert!(check.contains("seen-projection") && !check.contains("needles"), "{check}");
    let ready = app.server.get("/health/ready").await;
    assert_eq!(ready.status, 200, "events are taken all the same");
    app.fails.store(false, Ordering::SeqCst);
    app.tell("resume").await;
    app.until("running", |shown| shown["state"] == "running" && shown["lag_events"] == 0).await;
    assert_eq!(app.server.get("/health").await.ok()["status"], "healthy");
    app.processors.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_tenant_sees_its_own_and_who_may_act_on_all_sees_the_rest() {
    let keys = tempfile::tempdir().unwrap();
    let file = keys.path().join("keys.json");
    let made = |tenant: &str, granted| make(&file, &tenant.parse().unwrap(), granted).unwrap().key;
    let spanning = [Permission::ProcessorRead, Permission::ProcessorManage, Permission::TenantAdmin];
    let (own, other, admin, reads) = (
        made("default", Granted::All),
        made("north", Granted::All),
        made("north", Granted::Some(spanning.to_vec())),
        made("default", Granted::Some(vec![Permission::ProcessorRead])),
    );
    let mut config = Config::default();
    config.keys_file = Some(file);
    let app = Application::with(config).await;
    let with = |key: &str| app.server.key(key);
    let names = |listed: Value| -> Vec<String> {
        let all = listed["processors"].as_array().unwrap().clone();
        all.iter().map(|one| one["name"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names(with(&own).get("/api/v1/processors").await.ok()), ["seen-projection"]);
    assert!(names(with(&other).get("/api/v1/processors").await.ok()).is_empty());
    assert_eq!(names(with(&admin).get("/api/v1/processors").await.ok()), ["everything"]);
    with(&other).get("/api/v1/processors/seen").await.refused(404, "processor_not_found");
    with(&other).post("/api/v1/processors/seen/pause", "").await.refused(404, "processor_not_found");
    with(&own).post("/api/v1/processors/everything/reset", "").await.refused(404, "processor_not_found");
    with(&reads).get("/api/v1/processors/seen").await.ok();
    with(&reads).post("/api/v1/processors/seen/pause", "").await.refused(403, "forbidden");
    with(&admin).post("/api/v1/processors/everything/pause", "").await.ok();
    app.processors.shutdown().await;
}

#[tokio::test]
async fn a_server_without_an_application_says_that_it_runs_none() {
    let server = Server::new().await;
    assert_eq!(server.get("/api/v1/processors").await.ok(), json!({"processors": []}));
    let missing = server.get("/api/v1/processors/seen").await.refused(404, "processor_not_found");
    assert!(missing["detail"].as_str().unwrap().contains("runs no processors"), "{missing}");
}
