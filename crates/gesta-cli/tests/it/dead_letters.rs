//! OR-36: what a processor left out, looked at and decided about on the command line.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use ::gesta::{OnFailure, ProcessorOptions, Processors};
use async_trait::async_trait;
use gesta_core::{
    AppendBatch, EventHandler, ExpectedVersion, Filter, HandlerError, NewEvent, RecordedEvent, SystemClock,
};
use gesta_server::{Backend, Config, Running, Server as Embedded};
use tokio::{net::TcpListener, runtime::Runtime};

use crate::gesta::{Done, done, gesta, until};

/// Rings for every door until one is `closed`, which it does not know before it is mended.
#[derive(Default)]
struct Bell {
    mended: AtomicBool,
}

#[async_trait]
impl EventHandler for Bell {
    fn name(&self) -> &str {
        "bell"
    }

    fn filter(&self) -> Filter {
        Filter::of(gesta_core::Tenant::default()).categories(["door"])
    }

    async fn handle(&self, events: &[RecordedEvent]) -> Result<(), HandlerError> {
        let known = |event: &RecordedEvent| &*event.event_type != "closed";
        if self.mended.load(Ordering::SeqCst) || events.iter().all(known) {
            return Ok(());
        }
        Err(HandlerError::Permanent("doors only open".into()))
    }
}

/// An application that serves, until dropped.
struct Application {
    running: Running,
    bell: Arc<Bell>,
    _runtime: Runtime,
}

impl Application {
    fn start() -> Self {
        let runtime = Runtime::new().expect("threads");
        let bell = Arc::new(Bell::default());
        let running = runtime.block_on(async {
            let backend = Backend::memory();
            let store = backend.store();
            for (stream, kind) in
                [("door-1", "opened"), ("door-1", "closed"), ("door-2", "closed"), ("door-1", "opened")]
            {
                let event = NewEvent::new(kind, r#"{"by":"ada"}"#);
                let batch = AppendBatch::to(stream.parse().expect("legal"), ExpectedVersion::Any, [event]);
                store.append(batch).await.expect("appended");
            }
            let processors =
                Processors::new(store, backend.checkpoints(), Arc::new(SystemClock), "application");
            let options = ProcessorOptions { on_failure: OnFailure::Skip, ..ProcessorOptions::default() };
            processors.add_handler(bell.clone(), options).await.expect("added");
            let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
            let embedded = Embedded::new(backend, Config::default()).with_processors(Arc::new(processors));
            embedded.start_on(listener).await.expect("starts")
        });
        Self { running, bell, _runtime: runtime }
    }

    fn run(&self, arguments: &[&str]) -> Done {
        let mut command = gesta();
        command.env("GESTA_URL", self.running.url()).args(["processors", "dead-letters"]).args(arguments);
        done(&mut command, "")
    }

    /// The letters, as programs read them.
    fn listed(&self) -> Vec<serde_json::Value> {
        let listed = self.run(&["list", "bell", "--events", "--output", "json"]).ok().json();
        listed["dead_letters"].as_array().expect("a list").clone()
    }
}

#[test]
fn dead_letters_are_listed_counted_replayed_and_given_up() {
    let application = Application::start();
    until("both failed", || application.listed().len() == 2);
    until("the opening waits", || application.listed()[0]["held"] == 1);
    let letters = application.listed();
    assert_eq!(letters[0]["event"]["payload"]["by"], "ada");
    let text = application.run(&["list", "bell"]).ok().out;
    let first = text.lines().nth(1).expect("a row");
    for part in ["door-1", "closed", "1", "no", "doors only open"] {
        assert!(first.contains(part), "{text}");
    }
    let counted = application.run(&["statistics", "bell"]).ok().out;
    assert!(counted.lines().nth(1).is_some_and(|row| row.starts_with("closed  2      2")), "{counted}");
    let id = letters[1]["event_id"].as_str().expect("an id");
    let given_up = application.run(&["discard", "bell", id, "--reason", "a joke"]).ok();
    assert_eq!(given_up.out.trim(), "1 given up");
    until("one is left", || application.listed().len() == 1);
    application.bell.mended.store(true, Ordering::SeqCst);
    let replayed = application.run(&["replay", "bell", "--all"]).ok();
    assert_eq!(replayed.out.trim(), "1 to be handled again");
    until("none is left", || application.listed().is_empty());
}

#[test]
fn what_is_missing_is_said() {
    let application = Application::start();
    let cases: [(&[&str], i32, &str); 4] = [
        (&["list", "nobody"], 4, "no processor is called nobody here"),
        (&["discard", "bell", "--all"], 2, "--reason"),
        (&["replay", "bell"], 2, "EVENT_IDS"),
        (&["replay", "bell", "--all", "0197a3c2-0000-7000-8000-000000000001"], 2, "cannot be used with"),
    ];
    for (command, code, part) in cases {
        let done = application.run(command);
        assert_eq!(done.code, code, "{command:?}: {done:?}");
        assert!(done.out.is_empty() && done.err.contains(part), "{command:?}: {done:?}");
    }
}
