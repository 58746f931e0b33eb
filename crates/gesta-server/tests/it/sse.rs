//! Server-sent events, in process under paused time and over a real socket.

use std::time::Duration;

use axum::http::Request;
use gesta_server::{Backend, Config, Running, start_on};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::timeout,
};

use crate::support::Server;

/// One event as a client sees it.
#[derive(Debug, Clone, PartialEq)]
struct Seen {
    name: String,
    id: String,
    data: Value,
}

/// Takes text as it comes and gives out events, as a browser would.
#[derive(Default)]
struct Parser {
    text: String,
    last_id: String,
}

impl Parser {
    /// The next block: `None` until it is whole, `Some(None)` for one without data.
    fn next(&mut self) -> Option<Option<Seen>> {
        let (block, rest) = self.text.split_once("\n\n")?;
        let (block, rest) = (block.to_owned(), rest.to_owned());
        self.text = rest;
        let (mut name, mut data) = (String::new(), Vec::new());
        for line in block.lines() {
            if let Some(id) = line.strip_prefix("id: ") {
                self.last_id = id.to_owned();
            } else if let Some(given) = line.strip_prefix("event: ") {
                name = given.to_owned();
            } else if let Some(given) = line.strip_prefix("data: ") {
                data.push(given.to_owned());
            }
        }
        if data.is_empty() {
            return Some(None);
        }
        let data = serde_json::from_str(&data.join("\n")).expect("JSON");
        Some(Some(Seen { name, id: self.last_id.clone(), data }))
    }
}

/// A server on a free port, and streams from it.
pub(crate) struct Live {
    running: Running,
}

struct Stream {
    socket: TcpStream,
    parser: Parser,
}

impl Live {
    async fn new() -> Self {
        Self::on(Backend::memory()).await
    }

    pub(crate) async fn on(backend: Backend) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
        let mut config = Config::default();
        config.request_log = false;
        Self { running: start_on(listener, backend, config).await.expect("starts") }
    }

    pub(crate) async fn stop(self) {
        self.running.stop().await.expect("stops");
    }

    /// One request of its own connection; HTTP/1.0, so that the body comes as it is.
    async fn send(&self, method: &str, path: &str, headers: &str, body: &str) -> TcpStream {
        let mut socket = TcpStream::connect(self.running.address()).await.expect("connects");
        let length = body.len();
        let request = format!(
            "{method} {path} HTTP/1.0\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n\
             content-length: {length}\r\n{headers}\r\n{body}"
        );
        socket.write_all(request.as_bytes()).await.expect("writes");
        socket
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Value {
        let mut socket = self.send("POST", path, "", &body.to_string()).await;
        let mut reply = String::new();
        socket.read_to_string(&mut reply).await.expect("reads");
        let (head, body) = reply.split_once("\r\n\r\n").expect("a head");
        assert!(head.starts_with("HTTP/1.0 200"), "{reply}");
        serde_json::from_str(body).expect("JSON")
    }

    pub(crate) async fn publish(&self, event_type: &str, subject: &str) {
        let body = json!({"event_type": event_type, "source_service": "s", "payload": 1, "subject": subject});
        self.post("/api/v1/events/publish", &body).await;
    }

    async fn follow(&self, path: &str, last: Option<&str>) -> Stream {
        let header = last.map(|id| format!("last-event-id: {id}\r\n")).unwrap_or_default();
        let socket = self.send("GET", path, &header, "").await;
        let mut stream = Stream { socket, parser: Parser::default() };
        while !stream.parser.text.contains("\r\n\r\n") {
            stream.read().await;
        }
        let (head, rest) = stream.parser.text.split_once("\r\n\r\n").expect("a head");
        assert!(head.contains(" 200 ") && head.contains("text/event-stream"), "{head}");
        stream.parser.text = rest.to_owned();
        stream
    }
}

impl Stream {
    async fn read(&mut self) -> usize {
        let mut bytes = vec![0; 4096];
        let read = timeout(Duration::from_secs(20), self.socket.read(&mut bytes)).await.expect("in time");
        let read = read.expect("reads");
        self.parser.text.push_str(std::str::from_utf8(&bytes[..read]).expect("UTF-8"));
        read
    }

    async fn next(&mut self) -> Seen {
        loop {
            match self.parser.next() {
                Some(Some(seen)) => return seen,
                Some(None) => {}
                None => assert_ne!(self.read().await, 0, "the stream ended"),
            }
        }
    }
}

#[tokio::test]
async fn the_log_is_followed_from_what_is_there_into_what_comes() {
    let live = Live::new().await;
    live.publish("a", "x-1").await;
    live.publish("b", "x-2").await;
    let mut stream = live.follow("/api/v1/log/stream?types=a,c", None).await;
    let first = stream.next().await;
    assert_eq!((first.name.as_str(), &first.data["type"]), ("event", &"a".into()));
    live.publish("c", "x-1").await;
    let second = stream.next().await;
    assert_eq!(second.data["position"], 3);
    drop(stream);

    live.publish("a", "x-9").await;
    let mut resumed = live.follow("/api/v1/log/stream?types=a,c", Some(&second.id)).await;
    assert_eq!(resumed.next().await.data["position"], 4, "nothing again, nothing left out");
    let mut from_head = live.follow("/api/v1/log/stream?from=head", None).await;
    live.publish("z", "x-1").await;
    assert_eq!(from_head.next().await.data["type"], "z");
    live.stop().await;
}

#[tokio::test]
async fn a_stream_is_followed_from_a_version_or_a_cursor() {
    let live = Live::new().await;
    for kind in ["a", "b", "c"] {
        live.publish(kind, "x-1").await;
        live.publish(kind, "x-2").await;
    }
    let mut stream = live.follow("/api/v1/streams/x-1/stream?after=1", None).await;
    let second = stream.next().await;
    assert_eq!((&second.data["version"], &second.data["stream"]), (&2.into(), &"x-1".into()));
    assert_eq!(stream.next().await.data["version"], 3);
    live.publish("d", "x-2").await;
    live.publish("d", "x-1").await;
    assert_eq!(stream.next().await.data["version"], 4);
    let mut resumed = live.follow("/api/v1/streams/x-1/stream", Some(&second.id)).await;
    assert_eq!(resumed.next().await.data["version"], 3);
    let mut ahead = live.follow("/api/v1/streams/x-1/stream?after=5", None).await;
    live.publish("e", "x-1").await;
    live.publish("f", "x-1").await;
    assert_eq!(ahead.next().await.data["version"], 6);
    live.stop().await;
}

#[tokio::test]
async fn a_group_is_followed_and_a_lost_connection_loses_nothing() {
    let live = Live::new().await;
    let subscribe = json!({"consumer_group": "g", "consumer_name": "c", "read_latest": false});
    live.post("/api/v1/events/subscribe", &subscribe).await;
    for kind in ["a", "b", "c"] {
        live.publish(kind, "x-1").await;
    }
    let mut stream = live.follow("/api/v1/groups/g/stream?consumer=c", None).await;
    let first = stream.next().await;
    assert_eq!((first.name.as_str(), &first.data["event"]["event_type"]), ("delivery", &"a".into()));
    assert_eq!(first.data["delivery_id"], first.id);
    stream.next().await;
    stream.next().await;
    // The former connection is still open, as after a break that the server has not noticed.
    let mut again = live.follow("/api/v1/groups/g/stream?consumer=c", Some(&first.id)).await;
    assert_eq!(stream.next().await.data["reason"], "superseded");
    assert_eq!(again.next().await.data["event"]["event_type"], "b", "sent, perhaps not received");
    assert_eq!(again.next().await.data["event"]["event_type"], "c");
    live.publish("d", "x-1").await;
    assert_eq!(again.next().await.data["event"]["event_type"], "d");
    live.stop().await;
}

#[tokio::test]
async fn a_server_that_stops_says_so_and_names_the_cursor() {
    let live = Live::new().await;
    live.publish("a", "x-1").await;
    let mut stream = live.follow("/api/v1/log/stream", None).await;
    let seen = stream.next().await;
    let ((), last) = tokio::join!(live.stop(), stream.next());
    assert_eq!((last.name.as_str(), &last.data["reason"]), ("closed", &"stopping".into()));
    assert_eq!(last.data["cursor"], seen.id);
}

/// What a stream says until it has nothing more to say: its first heartbeat, or its end.
pub(crate) async fn until_quiet(service: &Server, path: &str) -> (u16, String) {
    let response = service.respond(Request::get(path)).await;
    let (parts, mut body) = response.into_parts();
    let mut text = String::new();
    while let Some(frame) = body.frame().await {
        let data = frame.expect("a frame").into_data().expect("data");
        text.push_str(std::str::from_utf8(&data).expect("UTF-8"));
        if text.contains(": heartbeat") {
            break;
        }
    }
    (parts.status.as_u16(), text)
}

#[tokio::test(start_paused = true)]
async fn silence_is_broken_every_15_seconds_with_the_place_reached() {
    let service = Server::new().await;
    service.publish("a", "x-1").await;
    let begun = tokio::time::Instant::now();
    let (_, text) = until_quiet(&service, "/api/v1/log/stream?types=nothing").await;
    assert!(begun.elapsed() >= Duration::from_secs(15));
    assert!(text.starts_with("retry: "), "{text}");
    let id = text.split(": heartbeat\nid: ").nth(1).expect("a place, although nothing passed").trim();
    let page = service.get(&format!("/api/v1/log?after={id}")).await.ok();
    assert_eq!(page["events"], json!([]));
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_takes_nothing_is_closed_with_its_cursor_and_the_reason() {
    let service = Server::new().await;
    let payload = "x".repeat(100_000);
    for _ in 0..40 {
        let body = json!({"event_type": "big", "source_service": "s", "payload": payload});
        service.post("/api/v1/events/publish", body).await.ok();
    }
    let response = service.respond(Request::get("/api/v1/log/stream")).await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    let body = response.into_body().collect().await.expect("a whole body").to_bytes();
    let mut parser = Parser { text: String::from_utf8(body.into()).unwrap(), ..Parser::default() };
    let mut seen = Vec::new();
    while let Some(block) = parser.next() {
        seen.extend(block);
    }
    let last = seen.pop().expect("a last event");
    assert_eq!((last.name.as_str(), &last.data["reason"]), ("closed", &"too_slow".into()));
    assert!(!last.data["cursor"].as_str().unwrap().is_empty());
    assert!((1..40).contains(&seen.len()), "{} were buffered", seen.len());
    let resumed = service.get(&format!("/api/v1/log?limit=1&after={}", parser.last_id)).await.ok();
    let next = seen.last().unwrap().data["position"].as_u64().unwrap() + 1;
    assert_eq!(resumed["events"][0]["position"], next, "the id a client has leads to the next event");
}

#[tokio::test(start_paused = true)]
async fn a_payload_with_line_breaks_breaks_no_event() {
    let service = Server::new().await;
    let body = "{\"event_type\":\"x\",\"source_service\":\"s\",\"payload\":{\n\r\n\"a\":\r1}}";
    service.post("/api/v1/events/publish", body).await.ok();
    let (_, text) = until_quiet(&service, "/api/v1/log/stream").await;
    let mut parser = Parser { text, ..Parser::default() };
    let seen = std::iter::from_fn(|| parser.next()).flatten().next().expect("an event");
    assert_eq!(seen.data["data"], json!({"a": 1}));
}

#[tokio::test(start_paused = true)]
async fn too_many_streams_of_a_tenant_are_429_until_one_closes() {
    let mut config = Config::default();
    config.max_sse_clients = 1;
    let service = Server::with(config).await;
    let held = service.respond(Request::get("/api/v1/log/stream")).await;
    assert_eq!(held.status(), 200);
    service.get("/api/v1/log/stream").await.refused(429, "too_many_requests");
    assert_eq!(service.tenant("other").respond(Request::get("/api/v1/log/stream")).await.status(), 200);
    drop(held);
    let mut tries = 0;
    while service.respond(Request::get("/api/v1/log/stream")).await.status() != 200 {
        tries += 1;
        assert!(tries < 100, "the place is never given back");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test]
async fn rubbish_as_last_event_id_is_refused_before_the_stream_begins() {
    let service = Server::new().await.header("last-event-id", "rubbish");
    service.get("/api/v1/log/stream").await.refused(400, "illegal_cursor");
    service.get("/api/v1/streams/a-1/stream").await.refused(400, "illegal_cursor");
}
