//! The commands that look into an application, against one that runs in this process.

use std::{
    process::{Child, Command as Process, Stdio},
    sync::Arc,
};

use ::gesta::{
    Aggregate, Aggregates, Command, Context, Event, ProcessorOptions, Processors, Projection,
    ProjectionError, Repository, Rows, Table,
};
use gesta_core::{Filter, Position, RecordedEvent, SystemClock, Tenant, Timestamp, values};
use gesta_file::Options;
use gesta_server::{Backend, Config, Running, Server as Embedded};
use serde::{Deserialize, Serialize};
use tempfile::TempDir;
use tokio::{net::TcpListener, runtime::Runtime};

use crate::gesta::{Done, PATIENCE, done, gesta, signal, stable, until, wait};

#[derive(Debug, Clone, Default, Serialize)]
struct Door {
    open: bool,
    owner: Option<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Opened {
    owner: String,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Closed {}

#[derive(Debug, Clone, Event)]
enum DoorEvent {
    #[event(name = "DoorOpened")]
    Opened(Opened),
    #[event(name = "DoorClosed")]
    Closed(Closed),
}

impl Aggregate for Door {
    const CATEGORY: &'static str = "door";
    type Command = DoorEvent;
    type Event = DoorEvent;
    type Rejection = std::convert::Infallible;

    fn decide(&self, command: &DoorEvent, _: &Context<'_>) -> Result<Vec<DoorEvent>, Self::Rejection> {
        Ok(vec![command.clone()])
    }

    fn apply(&mut self, event: &DoorEvent, _: &Context<'_>) {
        match event {
            DoorEvent::Opened(opened) => (self.open, self.owner) = (true, Some(opened.owner.clone())),
            DoorEvent::Closed(_) => self.open = false,
        }
    }
}

/// The doors that were ever opened.
struct OpenedDoors;

impl Projection for OpenedDoors {
    fn name(&self) -> &str {
        "opened-doors-projection"
    }

    fn filter(&self) -> Filter {
        Filter::of(Tenant::default()).categories(["door"])
    }

    fn tables(&self) -> Vec<Table> {
        vec![Table::new("opened_doors", "CREATE TABLE {opened_doors} (door TEXT PRIMARY KEY)")]
    }

    fn project(&self, event: &RecordedEvent, rows: &mut Rows) -> Result<(), ProjectionError> {
        rows.execute("INSERT OR IGNORE INTO {opened_doors} VALUES ($1)", values![event.stream.key()]);
        Ok(())
    }
}

/// An application that serves, until dropped.
struct Application {
    running: Running,
    _runtime: Runtime,
    _folder: TempDir,
}

impl Application {
    fn start() -> Self {
        let runtime = Runtime::new().expect("threads");
        let folder = tempfile::tempdir().expect("a folder");
        let running = runtime.block_on(async {
            let backend = Backend::file(folder.path(), Options::default()).await.expect("opens");
            let doors = Repository::<Door>::new(backend.store());
            let opened = |owner: &str| DoorEvent::Opened(Opened { owner: owner.into() });
            let commands = [opened("ada"), DoorEvent::Closed(Closed {}), opened("bob")];
            for (hour, command) in commands.into_iter().enumerate() {
                let at: Timestamp = format!("2026-01-31T0{hour}:00:00Z").parse().expect("a time");
                doors.execute(Command::new("1", command).occurred_at(at).by("eve")).await.expect("done");
            }
            let mut aggregates = Aggregates::new();
            aggregates.register(doors).expect("one kind");
            let processors =
                Processors::new(backend.store(), backend.checkpoints(), Arc::new(SystemClock), "application")
                    .with_read_models(backend.read_models().expect("the file store has them"));
            processors.add_projection(OpenedDoors, ProcessorOptions::default()).await.expect("added");
            let processors = Arc::new(processors);
            let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
            let embedded = Embedded::new(backend, Config::default()).with_aggregates(aggregates);
            let running = embedded.with_processors(Arc::clone(&processors)).start_on(listener).await;
            let all = Position::new(3);
            processors.wait_for("opened-doors", all, PATIENCE).await.expect("projected");
            running
        });
        Self { running: running.expect("starts"), _runtime: runtime, _folder: folder }
    }

    fn command(&self, arguments: &[&str]) -> Process {
        let mut command = gesta();
        command.env("GESTA_URL", self.running.url()).args(arguments);
        command
    }

    fn run(&self, arguments: &[&str]) -> Done {
        done(&mut self.command(arguments), "")
    }
}

const LOOKS: [&[&str]; 12] = [
    &["state", "door", "1"],
    &["state", "door", "1", "--version", "1"],
    &["state", "door", "1", "--at", "2026-01-31T01:30:00Z"],
    &["diff", "door", "1", "--from", "1", "--to", "2"],
    &["diff", "door", "1", "--from", "2", "--to", "2"],
    &["explain", "door", "1", "--field", "/owner"],
    &["explain", "door", "1", "--field", "/colour"],
    &["processors"],
    &["processors", "show", "opened-doors"],
    &["processors", "rebuild", "opened-doors", "--watch"],
    &["processors", "list"],
    &["processors", "swap-back", "opened-doors", "--watch"],
];

fn transcript(output: &str) -> String {
    let application = Application::start();
    let mut text = String::new();
    for look in LOOKS {
        let done = application.run(&[look, &["--output", output]].concat());
        text += &format!("$ gesta {}\n{}{}[exit {}]\n\n", look.join(" "), done.out, done.err, done.code);
    }
    stable_ids(&text)
}

/// Times were given and stay.
fn stable_ids(text: &str) -> String {
    let kept = text.replace("2026-01-31T", "2026-01-31 at ");
    stable(&kept).replace("2026-01-31 at ", "2026-01-31T")
}

#[test]
fn what_people_read_of_an_application() {
    insta::assert_snapshot!(transcript("text"));
}

#[test]
fn what_programs_read_of_an_application() {
    insta::assert_snapshot!(transcript("json"));
}

#[test]
fn a_processor_is_paused_resumed_and_reset() {
    let application = Application::start();
    let told = |verb: &str, more: &[&str]| {
        let words = [&["processors", verb, "opened-doors", "--output", "json"], more].concat();
        application.run(&words).ok().json()
    };
    assert_eq!(told("pause", &[])["state"], "paused");
    told("resume", &[]);
    until("it runs", || told("show", &[])["state"] == "running");
    told("reset", &["--yes"]);
    until("it has caught up", || told("show", &[])["position"] == 3);
}

#[test]
fn ctrl_c_ends_the_watching_and_not_the_rebuild() {
    let application = Application::start();
    // A rebuild of a paused processor waits, so there is time to watch.
    application.run(&["processors", "pause", "opened-doors"]).ok();
    application.run(&["processors", "rebuild", "opened-doors"]).ok();
    let mut watching = application
        .command(&["processors", "show", "opened-doors", "--watch"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary runs");
    until("it listens to signals", || listens_to_ctrl_c(&watching));
    signal(&watching, "INT");
    assert_eq!(wait(&mut watching), 130);
    let said = std::io::read_to_string(watching.stderr.take().expect("piped")).expect("text");
    assert!(said.contains("goes on"), "{said}");
    let shown = || application.run(&["processors", "show", "opened-doors", "--output", "json"]).ok().json();
    assert_eq!(shown()["rebuild"]["generation"], 2);
    application.run(&["processors", "resume", "opened-doors"]).ok();
    until("it is in place", || shown()["generation"] == 2);
}

/// Whether the process has asked for SIGINT, by its own account.
fn listens_to_ctrl_c(child: &Child) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
    let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
    let caught = caught.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    caught.is_some_and(|mask| mask & 0b10 != 0)
}

#[test]
fn what_is_not_there_has_its_exit_code_and_a_plain_sentence() {
    let application = Application::start();
    let cases: [(&[&str], i32, &str); 9] = [
        (&["state", "door", "2"], 4, "there is no door 2"),
        (&["state", "door", "1", "--version", "9"], 4, "is at version 3, not yet at 9"),
        (&["state", "ship", "1"], 4, "it knows door"),
        (&["diff", "door", "1", "--to", "9"], 4, "not yet at 9"),
        (&["explain", "door", "1", "--field", "owner"], 1, "write a JSON pointer"),
        (&["processors", "show", "x"], 4, "no processor is called x here"),
        (&["processors", "reset", "x"], 2, "--yes"),
        (&["state", "door", "1", "--version", "0"], 2, "--version"),
        (&["processors", "swap-back", "opened-doors"], 3, "no generation before"),
    ];
    for (command, code, part) in cases {
        let done = application.run(command);
        assert_eq!(done.code, code, "{command:?}: {done:?}");
        assert!(done.out.is_empty() && done.err.contains(part), "{command:?}: {done:?}");
    }
}
