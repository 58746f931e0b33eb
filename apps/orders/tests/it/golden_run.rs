//! The binary from start to Ctrl-C and back: the golden run over real connections.

use std::{
    io::{BufRead, BufReader, Lines, Read, Write},
    net::TcpStream,
    path::Path,
    process::{Child, ChildStdout, Command, Stdio},
    time::Duration,
};

use serde_json::{Value, json};

use crate::running::{id, life_of_a_customer, life_of_an_order};

/// The binary, serving on free ports. Killed when dropped.
struct Binary {
    child: Child,
    /// Kept open: what it says when it ends has to go somewhere.
    _said: Lines<BufReader<ChildStdout>>,
    routes: String,
    metrics: String,
}

impl Binary {
    fn start(data: &Path) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_orders"))
            .args(["serve", "--listen", "127.0.0.1:0", "--metrics-listen", "127.0.0.1:0", "--data"])
            .arg(data)
            .env("RUST_LOG", "warn")
            .stdout(Stdio::piped())
            .spawn()
            .expect("the binary starts");
        let mut said = BufReader::new(child.stdout.take().expect("its output")).lines();
        let line = |said: &mut Lines<_>| said.next().expect("it says where it listens").expect("text");
        let address = |line: &str| {
            line.split("http://").nth(1).map(|rest| rest.split('/').next().unwrap_or(rest).to_owned())
        };
        let routes = address(&line(&mut said)).expect("an address");
        let metrics = loop {
            if let Some(found) = address(&line(&mut said)) {
                break found;
            }
        };
        Self { child, _said: said, routes, metrics }
    }

    fn ask(&self, method: &str, path: &str, body: Option<Value>) -> (u16, Value) {
        ask(&self.routes, method, path, &[], body)
    }

    /// A processor, once it has begun.
    fn until_it_runs(&self, processor: &str) -> Value {
        for _ in 0..800 {
            let (_, shown) = self.ask("GET", processor, None);
            if shown["state"] == json!("running") {
                return shown;
            }
            std::thread::sleep(Duration::from_millis(25));
        }
        panic!("it does not begin: {:?}", self.ask("GET", processor, None));
    }

    /// Ctrl-C, and how it ended.
    fn interrupt(mut self) -> Option<i32> {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-INT", &pid]).status().expect("kill runs").success());
        self.child.wait().expect("it ends").code()
    }
}

impl Drop for Binary {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn ask(address: &str, method: &str, path: &str, headers: &[&str], body: Option<Value>) -> (u16, Value) {
    let mut stream = TcpStream::connect(address).expect("it listens");
    stream.set_read_timeout(Some(Duration::from_secs(60))).expect("a timeout");
    let body = body.map(|body| body.to_string()).unwrap_or_default();
    let kind = if body.is_empty() { "" } else { "content-type: application/json\r\n" };
    let more: String = headers.iter().map(|header| format!("{header}\r\n")).collect();
    let length = body.len();
    write!(stream, "{method} {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n{kind}{more}content-length: {length}\r\n\r\n{body}")
        .expect("it reads");
    let mut text = String::new();
    stream.read_to_string(&mut text).expect("it answers");
    let status = text.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
    let body = text.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    (status, serde_json::from_str(body).unwrap_or_else(|_| json!(body)))
}

fn golden_run(app: &Binary) {
    for life in [life_of_an_order(1, 7), life_of_a_customer(7)] {
        for (version, (path, body)) in (1..).zip(life) {
            let (status, reply) = app.ask("POST", &path, Some(body));
            assert_eq!((status / 100, &reply["version"]), (2, &json!(version)), "{path}: {reply}");
        }
    }
}

#[test]
fn the_golden_run_survives_ctrl_c_and_a_restart() {
    let data = tempfile::tempdir().expect("a folder");
    let app = Binary::start(data.path());
    golden_run(&app);
    let order = format!("/api/v1/orders/{}", id(1));
    let (_, second) = app.ask("GET", &format!("{order}?version=2"), None);
    assert_eq!(second["status"], json!("Confirmed"), "the order at version 2");
    let (_, last) = app.ask("GET", &order, None);
    assert_eq!((&last["status"], &last["version"]), (&json!("Delivered"), &json!(4)));

    let (status, health) = ask(&app.metrics, "GET", "/health", &[], None);
    assert_eq!((status, &health["service"]), (200, &json!("orders")), "{health}");
    let (status, metrics) = ask(&app.metrics, "GET", "/metrics", &[], None);
    let metrics = metrics.as_str().expect("text").to_owned();
    assert_eq!(status, 200);
    for wanted in ["cdc_events_processed_total{event_type=\"OrderDelivered\"}", "actor_messages_sent_total{"]
    {
        assert!(metrics.contains(wanted), "{wanted}: {metrics}");
    }
    assert!(metrics.lines().any(|line| line == "dlq_messages_total 0"), "no dead letter");
    assert_eq!(app.interrupt(), Some(0), "Ctrl-C is an orderly end");

    let app = Binary::start(data.path());
    let (_, shown) = app.ask("GET", &order, None);
    assert_eq!(shown, last, "the read model is where it was");
    let processor = app.until_it_runs("/api/v1/processors/order-read-model");
    assert_eq!(processor["processed"], json!(4), "and did not begin again: {processor}");
    let (_, diff) = app.ask("GET", &format!("/api/v1/aggregates/order/{}/diff?from=1&to=2", id(1)), None);
    let paths = diff["changes"]
        .as_array()
        .map(|changes| changes.iter().map(|change| change["path"].clone()).collect::<Vec<_>>());
    assert!(paths.is_some_and(|paths| paths.contains(&json!("/status"))), "{diff}");
    assert_eq!(app.interrupt(), Some(0));
}

/// The same command again gives the first result, over a restart too.
#[test]
fn a_retry_after_a_restart_gives_the_first_result() {
    let data = tempfile::tempdir().expect("a folder");
    let order = json!({"customer_id": id(7), "items": [{"product_id": id(1), "quantity": 2}]});
    let place = |app: &Binary| {
        ask(&app.routes, "POST", "/api/v1/orders", &["idempotency-key: checkout-1"], Some(order.clone()))
    };
    let app = Binary::start(data.path());
    let first = place(&app);
    assert_eq!(first.0, 201);
    assert_eq!(app.interrupt(), Some(0));
    let app = Binary::start(data.path());
    assert_eq!(place(&app), first);
}

#[test]
fn a_port_in_use_leaves_the_folder_alone() {
    let parent = tempfile::tempdir().expect("a folder");
    let data = parent.path().join("data");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address").to_string();
    let ended = Command::new(env!("CARGO_BIN_EXE_orders"))
        .args(["serve", "--listen", &address, "--data"])
        .arg(&data)
        .env("RUST_LOG", "warn")
        .output()
        .expect("the binary runs");
    let said = String::from_utf8_lossy(&ended.stderr);
    assert!(
        !ended.status.success() && said.contains(&taken.local_addr().unwrap().port().to_string()),
        "{said}"
    );
    assert!(!data.exists(), "nothing was made");
}

#[test]
fn a_port_in_use_is_a_start_up_error_that_says_so() {
    let data = tempfile::tempdir().expect("a folder");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("an address").port().to_string();
    let ended = Command::new(env!("CARGO_BIN_EXE_orders"))
        .args(["serve", "--listen", "127.0.0.1:0", "--data"])
        .arg(data.path())
        .env("METRICS_PORT", &port)
        .env("RUST_LOG", "warn")
        .output()
        .expect("the binary runs");
    let said = String::from_utf8_lossy(&ended.stderr);
    assert!(!ended.status.success() && said.contains(&port) && said.contains("METRICS_PORT"), "{said}");
}
