//! The commands that look into an application, against one that runs in this process.

use std::process::Command as Process;

use ::gesta::{Aggregate, Aggregates, Command, Context, Event, Repository};
use gesta_core::Timestamp;
use gesta_server::{Backend, Config, Running, Server as Embedded};
use serde::{Deserialize, Serialize};
use tokio::{net::TcpListener, runtime::Runtime};

use crate::gesta::{Done, done, gesta, stable};

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

/// An application that serves, until dropped.
struct Application {
    running: Running,
    _runtime: Runtime,
}

impl Application {
    fn start() -> Self {
        let runtime = Runtime::new().expect("threads");
        let running = runtime.block_on(async {
            let backend = Backend::memory();
            let doors = Repository::<Door>::new(backend.store());
            let opened = |owner: &str| DoorEvent::Opened(Opened { owner: owner.into() });
            let commands = [opened("ada"), DoorEvent::Closed(Closed {}), opened("bob")];
            for (hour, command) in commands.into_iter().enumerate() {
                let at: Timestamp = format!("2026-01-31T0{hour}:00:00Z").parse().expect("a time");
                doors.execute(Command::new("1", command).occurred_at(at).by("eve")).await.expect("done");
            }
            let mut aggregates = Aggregates::new();
            aggregates.register(doors).expect("one kind");
            let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
            Embedded::new(backend, Config::default()).with_aggregates(aggregates).start_on(listener).await
        });
        Self { running: running.expect("starts"), _runtime: runtime }
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

const LOOKS: [&[&str]; 9] = [
    &["state", "door", "1"],
    &["state", "door", "1", "--version", "1"],
    &["state", "door", "1", "--at", "2026-01-31T01:30:00Z"],
    &["diff", "door", "1", "--from", "1", "--to", "2"],
    &["diff", "door", "1", "--from", "2", "--to", "2"],
    &["explain", "door", "1", "--field", "/owner"],
    &["explain", "door", "1", "--field", "/colour"],
    &["processors"],
    &["processors", "list"],
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
fn what_is_not_there_has_its_exit_code_and_a_plain_sentence() {
    let application = Application::start();
    let cases: [(&[&str], i32, &str); 8] = [
        (&["state", "door", "2"], 4, "there is no door 2"),
        (&["state", "door", "1", "--version", "9"], 4, "is at version 3, not yet at 9"),
        (&["state", "ship", "1"], 4, "it knows door"),
        (&["diff", "door", "1", "--to", "9"], 4, "not yet at 9"),
        (&["explain", "door", "1", "--field", "owner"], 1, "write a JSON pointer"),
        (&["processors", "show", "x"], 4, "runs no processors"),
        (&["processors", "reset", "x"], 2, "--yes"),
        (&["state", "door", "1", "--version", "0"], 2, "--version"),
    ];
    for (command, code, part) in cases {
        let done = application.run(command);
        assert_eq!(done.code, code, "{command:?}: {done:?}");
        assert!(done.out.is_empty() && done.err.contains(part), "{command:?}: {done:?}");
    }
}
