//! `gesta serve` on the store that it is told: refusals in one line, and several processes on one database.

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    process::Command,
};

use serde_json::{Value, json};

use crate::{
    database::Database,
    gesta::{Serving, done, gesta, signal, until},
};

/// A server that refuses every password.
fn suspicious() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = listener.local_addr().expect("bound").port();
    std::thread::spawn(move || {
        for connection in listener.incoming() {
            let Ok(mut connection) = connection else { return };
            let mut startup = [0; 1024];
            let _ = connection.read(&mut startup);
            let fields = b"SFATAL\0C28P01\0Mpassword authentication failed for user \"u\"\0\0";
            let length = u32::try_from(fields.len() + 4).expect("short").to_be_bytes();
            let _ = connection.write_all(&[&b"E"[..], &length, fields].concat());
        }
    });
    port
}

fn serve() -> Command {
    let mut command = gesta();
    command.args(["serve", "--port", "0", "--log", "error"]);
    command.env_remove("PGPASSWORD");
    command
}

#[test]
fn a_store_that_cannot_be_used_is_refused_in_one_line_that_says_what_to_do() {
    let database = Database::fresh();
    let missing = format!("{}_not_there", database.url());
    let wrong = format!("postgres://u:secret@127.0.0.1:{}/log", suspicious());
    let nobody = {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        format!("postgres://u@{}/log", listener.local_addr().expect("bound"))
    };
    let known = "write file:FOLDER, or postgres://USER@HOST:5432/DATABASE";
    let arguments: [(&[&str], i32, &str); 7] = [
        (&["--store", "mysql://u@db/log"], 2, &format!("--store mysql://… cannot be read: {known}")),
        (&["--store", "data"], 2, &format!("--store data cannot be read: {known}")),
        (&["--store", "postgres://u:secret@db/log"], 2, "GESTA_STORE_PASSWORD_FILE"),
        (&["--store", "file:x", "--data", "y"], 2, "leave one of them out"),
        (&["--store", "file:x", "--roles", "api"], 2, "choose a store that several share"),
        (&["--roles", "queen"], 2, "--roles queen cannot be read: write api, processors"),
        (&["--store", "postgres://u@127.0.0.1"], 2, "names no database"),
    ];
    let folder = tempfile::tempdir().expect("a folder");
    let refused = |command: &mut Command, code: i32, says: &str| {
        let told = done(command.current_dir(folder.path()), "");
        assert_eq!(told.code, code, "{told:?}");
        assert_eq!(told.err.lines().count(), 1, "{told:?}");
        assert!(told.err.starts_with("gesta: ") && told.err.contains(says), "{says}: {told:?}");
        assert!(!told.err.contains("secret") && told.out.is_empty(), "{told:?}");
    };
    for (given, code, says) in arguments {
        refused(serve().args(given), code, says);
    }
    for (url, code, says) in [
        ("mysql://u:secret@db/log", 2, &*format!("GESTA_STORE=mysql://… cannot be read: {known}")),
        (&*nobody, 5, "no PostgreSQL server answers"),
        (&*wrong, 6, "refuses the user"),
        (&*missing, 1, "createdb"),
    ] {
        refused(serve().env("GESTA_STORE", url), code, says);
    }
    let no_file = folder.path().join("none");
    let mut unread = serve();
    refused(
        unread.env("GESTA_STORE", database.url()).env("GESTA_STORE_PASSWORD_FILE", no_file),
        1,
        "GESTA_STORE_PASSWORD_FILE",
    );
    let mut beside = serve();
    refused(beside.env("GESTA_READ_MODELS", database.url()), 2, "GESTA_STORE");
}

/// A server on a database.
struct Process(Serving);

impl Process {
    fn on(database: &Database) -> Self {
        Self(Serving::start(serve().args(["--store", &database.url()]).env("GESTA_LEASE", "2s")))
    }

    /// The status and the JSON of a reply.
    fn ask(&self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        let body = if method == "GET" { String::new() } else { body.to_string() };
        let mut wire = TcpStream::connect(self.0.said("address")).expect("it listens");
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        wire.write_all(format!("{head}{body}").as_bytes()).expect("sent");
        let mut reply = String::new();
        wire.read_to_string(&mut reply).expect("a reply");
        let (head, body) = reply.split_once("\r\n\r\n").expect("a head");
        let status = head.split(' ').nth(1).expect("a status").parse().expect("a number");
        (status, serde_json::from_str(body).unwrap_or_default())
    }

    fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        self.ask("POST", path, body)
    }

    fn publish(&self, subject: &str) {
        let event = json!({"event_type": "x", "source_service": "test", "payload": {}, "subject": subject});
        assert_eq!(self.post("/api/v1/events/publish", &event).0, 200);
    }

    /// What a pull brings, sooner or later.
    fn pull(&self) -> Value {
        let mut pulled = Value::Null;
        until("a pull brings something", || {
            let (status, body) =
                self.post("/api/v1/groups/g/pull", &json!({"consumer": "c", "wait_ms": 500}));
            assert!(status == 200 || status == 503, "{status} {body}");
            pulled = body;
            status == 200 && pulled["deliveries"].as_array().is_some_and(|found| !found.is_empty())
        });
        pulled
    }

    fn ack(&self, pulled: &Value) -> (u16, Value) {
        let deliveries = pulled["deliveries"].as_array().expect("a list");
        let ids: Value = deliveries.iter().map(|delivery| delivery["delivery_id"].clone()).collect();
        let mut answer = (503, Value::Null);
        until("the acknowledgement is answered", || {
            answer = self.post("/api/v1/groups/g/ack", &json!({"delivery_ids": ids}));
            answer.0 != 503
        });
        answer
    }
}

#[test]
fn processes_on_one_database_answer_for_each_other_and_a_stopped_one_changes_nothing() {
    let database = Database::fresh();
    let (one, mut two) = (Process::on(&database), Process::on(&database));
    let store = one.0.said("store");
    assert!(store.starts_with("postgres://127.0.0.1:") && store.contains("gesta_test_"), "{store}");
    assert_eq!(one.0.ready["folder"], Value::Null);
    let (_, health) = two.ask("GET", "/health", &Value::Null);
    assert_eq!(health["store"]["kind"], "postgres", "{health}");

    let group = json!({"name": "g", "start": "beginning", "filter": {"types": ["x"]}, "lease_ms": 600_000});
    assert_eq!(one.post("/api/v1/groups", &group).0, 200);
    one.publish("a-1");
    two.publish("b-1");
    let held = one.pull();
    assert_eq!(held["deliveries"].as_array().map(Vec::len), Some(2), "{held}");

    // It sleeps longer than its lease, and another one goes on.
    signal(&one.0.child, "STOP");
    let taken = two.pull();
    let streams = |pulled: &Value| -> Vec<Value> {
        pulled["deliveries"].as_array().expect("a list").iter().map(|of| of["stream_id"].clone()).collect()
    };
    assert_eq!(streams(&taken), streams(&held));
    signal(&one.0.child, "CONT");
    let (status, late) = one.ack(&held);
    assert_eq!((status, &late["code"]), (409, &"lease_lost".into()), "{late}");
    assert_eq!(one.ack(&taken), (200, json!({"acked": 2})), "passed on to the new owner");

    one.publish("c-1");
    let last = one.pull();
    assert_eq!((streams(&last), one.ack(&last).0), (vec!["c-1".into()], 200));
    assert_eq!(two.0.stop(), 0);
    one.publish("d-1");
    assert_eq!(streams(&one.pull()), ["d-1"], "one that stops in good order need not be waited for");
}

/// The cursor of one server is good at another one.
#[test]
fn a_cursor_of_one_process_is_good_at_another() {
    let database = Database::fresh();
    let (one, two) = (Process::on(&database), Process::on(&database));
    for stream in ["a-1", "b-1", "c-1"] {
        one.publish(stream);
    }
    let (status, page) = one.ask("GET", "/api/v1/log?limit=2", &Value::Null);
    assert_eq!(status, 200, "{page}");
    let next = page["next"].as_str().expect("a cursor");
    let (status, rest) = two.ask("GET", &format!("/api/v1/log?after={next}"), &Value::Null);
    assert_eq!((status, rest["events"].as_array().map(Vec::len)), (200, Some(1)), "{rest}");
}
