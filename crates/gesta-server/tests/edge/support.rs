//! A rim around a handful of routes, and a client that may misbehave.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use axum::{
    body::{Body, Bytes},
    http::header,
    response::{IntoResponse, Response},
};
use futures_util::stream;
use gesta_server::{
    Config, Rim, Serving,
    auth::{
        Access, Caller, Guarded, Permission,
        keys::{self, Granted, NewKey},
    },
    telemetry::Telemetry,
};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    time::timeout,
};
use utoipa_axum::routes;

/// Longest wait of any test for anything.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// What the test routes share: `wait` answers once there is a permit.
#[derive(Clone)]
pub(crate) struct Shared {
    pub(crate) go: Arc<Semaphore>,
    pub(crate) waiting: Arc<Semaphore>,
}

/// A rim being served, with its pieces.
pub(crate) struct Edge {
    pub(crate) serving: Serving,
    pub(crate) telemetry: Arc<Telemetry>,
    pub(crate) shared: Shared,
}

#[utoipa::path(get, path = "/open")]
async fn open() -> &'static str {
    "open"
}

#[utoipa::path(get, path = "/whoami")]
async fn whoami(caller: Caller) -> String {
    format!("{} {}", caller.tenant, caller.principal)
}

#[utoipa::path(post, path = "/length", request_body = String)]
async fn length(body: Bytes) -> String {
    body.len().to_string()
}

#[utoipa::path(get, path = "/wait")]
async fn wait(axum::extract::State(shared): axum::extract::State<Shared>) -> &'static str {
    shared.waiting.add_permits(1);
    shared.go.acquire().await.expect("never closed").forget();
    "went"
}

/// Endless events of 1 KiB, as fast as they are taken.
#[utoipa::path(get, path = "/events")]
async fn events() -> Response {
    let event = Bytes::from(format!("data: {}\n\n", "x".repeat(1024)));
    let endless = stream::repeat_with(move || Ok::<_, std::io::Error>(event.clone()));
    ([(header::CONTENT_TYPE, "text/event-stream")], Body::from_stream(endless)).into_response()
}

/// A stream of events that has nothing to say.
#[utoipa::path(get, path = "/quiet")]
async fn quiet() -> Response {
    let first = stream::iter([Ok::<_, std::io::Error>(Bytes::from_static(b": hello\n\n"))]);
    let silent = futures_util::StreamExt::chain(first, stream::pending());
    ([(header::CONTENT_TYPE, "text/event-stream")], Body::from_stream(silent)).into_response()
}

#[utoipa::path(get, path = "/bug")]
async fn bug() -> &'static str {
    panic!("a bug on purpose")
}

fn guarded() -> Guarded<Shared> {
    Guarded::new(utoipa::openapi::OpenApi::default())
        .routes(Access::Open, routes!(open))
        .routes(Access::Needs(Permission::StreamRead), routes!(whoami))
        .routes(Access::Needs(Permission::StreamAppend), routes!(length))
        .routes(Access::Needs(Permission::LogVerify), routes!(bug))
        .routes(Access::Needs(Permission::LogReadAll), routes!(wait))
        .routes(Access::Needs(Permission::LogReadAll), routes!(events))
        .routes(Access::Needs(Permission::LogReadAll), routes!(quiet))
}

/// Serves the test routes with a changed configuration.
pub(crate) async fn edge(change: impl FnOnce(&mut Config)) -> Edge {
    edge_with_keys(change, None).await
}

/// The same, guarded by a keys file.
pub(crate) async fn edge_with_keys(change: impl FnOnce(&mut Config), keys: Option<&Path>) -> Edge {
    crate::telling::Lines::begin();
    let listener = listener().await;
    let mut config = Config::default();
    change(&mut config);
    let address = listener.local_addr().expect("bound");
    let rim = Rim::new(config, address, keys).expect("loopback is safe");
    let shared = Shared { go: Arc::new(Semaphore::new(0)), waiting: Arc::new(Semaphore::new(0)) };
    let telemetry = rim.telemetry();
    let serving = rim.start(listener, guarded().with_state(shared.clone())).expect("starts");
    Edge { serving, telemetry, shared }
}

/// One connection of a client that sends whatever it likes.
pub(crate) struct Wire(pub(crate) TcpStream);

/// A reply as it came.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Edge {
    pub(crate) async fn connect(&self) -> Wire {
        Wire::to(self.serving.address()).await
    }

    /// One whole request on a connection of its own.
    pub(crate) async fn get(&self, path: &str, headers: &str) -> Reply {
        ask(self.serving.address(), &get(path, headers)).await
    }
}

/// One whole request on a connection of its own.
pub(crate) async fn ask(address: SocketAddr, text: &str) -> Reply {
    let mut wire = Wire::to(address).await;
    wire.send(text).await;
    wire.reply().await
}

/// The text of a request.
pub(crate) fn get(path: &str, headers: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n{headers}\r\n")
}

/// The text of a request with a body.
pub(crate) fn post(path: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
    )
}

/// The text of a request that publishes an event.
pub(crate) fn publish() -> String {
    let event = r#"{"event_type":"sample.created","source_service":"test","payload":{"test":"data"}}"#;
    post("/api/v1/events/publish", event)
}

/// A free port of this machine.
pub(crate) async fn listener() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").await.expect("a free port")
}

/// A keys file in a folder of its own.
pub(crate) struct Keys {
    pub(crate) file: PathBuf,
    _folder: TempDir,
}

impl Keys {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        Self { file: folder.path().join("keys.json"), _folder: folder }
    }

    pub(crate) fn make(&self, tenant: &str, permissions: Granted) -> NewKey {
        keys::make(&self.file, &tenant.parse().expect("legal"), permissions).expect("made")
    }
}

/// The header that shows a key.
pub(crate) fn bearer(key: &str) -> String {
    format!("authorization: Bearer {key}\r\n")
}

impl Wire {
    pub(crate) async fn to(address: SocketAddr) -> Self {
        Self(TcpStream::connect(address).await.expect("the server listens"))
    }

    pub(crate) async fn send(&mut self, text: &str) {
        self.try_send(text.as_bytes()).await.expect("the server reads");
    }

    pub(crate) async fn try_send(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        timeout(PATIENCE, self.0.write_all(bytes)).await.expect("the server reads in time")
    }

    /// The next reply; fails the test when the connection ends before it.
    pub(crate) async fn reply(&mut self) -> Reply {
        timeout(PATIENCE, self.read_reply()).await.expect("a reply in time").expect("a whole reply")
    }

    async fn read_reply(&mut self) -> std::io::Result<Reply> {
        let head = self.head().await?;
        let length = field(&head, "content-length").and_then(|text| text.parse().ok()).unwrap_or(0);
        let mut body = vec![0; length];
        self.0.read_exact(&mut body).await?;
        let status = head[9..12].parse().expect("a status line");
        Ok(Reply { status, head, body: String::from_utf8_lossy(&body).into_owned() })
    }

    /// The head of the next reply, in lower case.
    pub(crate) async fn head(&mut self) -> std::io::Result<String> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(self.0.read_u8().await?);
        }
        Ok(String::from_utf8_lossy(&head).to_lowercase())
    }

    /// Reads until the server closes; what came, and whether it closed in good order.
    pub(crate) async fn rest(&mut self) -> (Vec<u8>, bool) {
        let mut all = Vec::new();
        let end = timeout(PATIENCE, self.0.read_to_end(&mut all)).await.expect("the server closes in time");
        (all, end.is_ok())
    }
}

impl Reply {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        field(&self.head, name)
    }
}

fn field<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let found = head.lines().filter_map(|line| line.split_once(':')).find(|(key, _)| *key == name)?;
    Some(found.1.trim())
}

/// Waits until a condition holds.
pub(crate) async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let all = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(PATIENCE, all).await.unwrap_or_else(|_| panic!("never: {what}"));
}

const ALONE: &str = "GESTA_EDGE_ALONE";

/// Runs the test of this name in a process of its own: memory is a process's, and tests beside it take some.
pub(crate) fn alone(test: &str, work: impl Future<Output = ()>) {
    if std::env::var_os(ALONE).is_some() {
        return tokio::runtime::Runtime::new().expect("a runtime").block_on(work);
    }
    let me = std::env::current_exe().expect("a path");
    let mut again = std::process::Command::new(me);
    let ran = again.args(["--exact", test, "--nocapture"]).env(ALONE, "1").output().expect("it starts");
    let (told, wrong) = (String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    println!("{told}");
    assert!(ran.status.success(), "{told}{wrong}");
    assert!(told.contains("1 passed"), "there is no test {test}: {told}");
}
