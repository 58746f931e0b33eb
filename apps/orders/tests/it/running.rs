//! The application in this process, asked over its routes.

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    body::Body,
    http::{HeaderMap, Method, Request},
};
use gesta::Processors;
use gesta_core::{AppendBatch, EventStore, ExpectedVersion, NewEvent};
use gesta_file::Options;
use gesta_server::{Backend, Config};
use http_body_util::BodyExt;
use orders::read_models;
use rusqlite::Connection;
use serde_json::{Value, json};
use tempfile::TempDir;
use tower::ServiceExt;

/// The application in this process.
pub(crate) struct Running {
    pub(crate) router: Router,
    pub(crate) processors: Arc<Processors>,
    pub(crate) store: Arc<dyn EventStore>,
    folder: Option<TempDir>,
    _watch: orders::Watching,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    /// To the letter.
    pub(crate) text: String,
    pub(crate) body: Value,
}

/// A store in a folder.
pub(crate) async fn in_folder(folder: &TempDir) -> Backend {
    Backend::file(folder.path(), Options::default().without_sync()).await.expect("a store")
}

impl Running {
    /// The application with a data folder of its own.
    pub(crate) async fn start() -> Self {
        Self::with(Config::default()).await
    }

    pub(crate) async fn with(config: Config) -> Self {
        Self::over(tempfile::tempdir().expect("a temporary folder"), config).await
    }

    /// The application over the data that is in a folder.
    pub(crate) async fn over(folder: TempDir, config: Config) -> Self {
        let running = Self::on(in_folder(&folder).await, config).await;
        Self { folder: Some(folder), ..running }
    }

    /// The application over a store that somebody else keeps.
    pub(crate) async fn on(backend: Backend, config: Config) -> Self {
        let store = backend.store();
        let app = orders::app(backend, config).await.expect("an application");
        let router = app.server.service().await.expect("a service");
        app.processors.start_all().await.expect("processors");
        Self { router, processors: app.processors, store, folder: None, _watch: app.watch }
    }

    /// What read models are kept in.
    pub(crate) fn state(&self) -> Connection {
        let folder = self.folder.as_ref().expect("a folder of its own");
        let state = Connection::open(folder.path().join("state.db")).expect("the database");
        state.busy_timeout(Duration::from_secs(5)).expect("a timeout");
        state
    }

    /// Appends what no command would.
    pub(crate) async fn append(&self, stream: &str, event: NewEvent) {
        let stream = stream.parse().expect("a stream");
        self.store.append(AppendBatch::to(stream, ExpectedVersion::Any, [event])).await.expect("appended");
    }

    /// Waits until every read model has seen everything.
    pub(crate) async fn settle(&self) {
        let head = self.store.head().await.expect("a head").position;
        for name in read_models::NAMES {
            self.processors.wait_for(name, head, Duration::from_secs(60)).await.expect("it catches up");
        }
    }

    /// Asks again and again until the answer is as wanted.
    pub(crate) async fn until(&self, path: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        for _ in 0..800 {
            let body = self.get(path).await.body;
            if wanted(&body) {
                return body;
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        panic!("{path} is not as wanted: {:?}", self.get(path).await);
    }

    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<Value>,
    ) -> Answer {
        let mut request = Request::builder().method(method).uri(path).header("host", "127.0.0.1");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if body.is_some() {
            request = request.header("content-type", "application/json");
        }
        let body = body.map_or_else(Body::empty, |body| Body::from(body.to_string()));
        let request = request.body(body).expect("a request");
        let response = self.router.clone().oneshot(request).await.expect("an answer");
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.expect("a body").to_bytes();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let body = serde_json::from_str(&text).unwrap_or_else(|_| json!(text));
        Answer { status: parts.status.as_u16(), headers: parts.headers, text, body }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, &[], None).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        self.send(Method::POST, path, &[], Some(body)).await
    }

    pub(crate) async fn put(&self, path: &str, body: Value) -> Answer {
        self.send(Method::PUT, path, &[], Some(body)).await
    }

    /// Places an order and says its path.
    pub(crate) async fn place(&self, order: u128, customer: u128) -> String {
        let answer = self.post("/api/v1/orders", new_order(order, customer)).await;
        assert_eq!(answer.status, 201, "{answer:?}");
        format!("/api/v1/orders/{}", id(order))
    }

    /// Runs a command that has to succeed.
    pub(crate) async fn does(&self, path: &str, body: Value) -> Answer {
        let answer = self.post(path, body).await;
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
        answer
    }
}

impl Answer {
    /// Its refusal in a line: status, code, expected and actual.
    pub(crate) fn refusal(&self) -> String {
        let Value::Object(problem) = &self.body else { return format!("{self:?}") };
        assert_eq!(self.headers["content-type"], "application/problem+json", "{self:?}");
        assert_eq!(problem.get("status"), Some(&json!(self.status)), "{self:?}");
        let text = |key: &str| problem.get(key).map_or_else(|| "-".to_owned(), Value::to_string);
        let code = problem.get("code").and_then(Value::as_str).unwrap_or_default();
        format!("{} {code} expected {} actual {}", self.status, text("expected"), text("actual"))
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}

pub(crate) fn id(number: u128) -> String {
    uuid::Uuid::from_u128(number).to_string()
}

pub(crate) fn new_order(order: u128, customer: u128) -> Value {
    json!({
        "order_id": id(order),
        "customer_id": id(customer),
        "items": [{"product_id": id(1), "quantity": 2}, {"product_id": id(2), "quantity": 1}],
    })
}

pub(crate) fn parcel() -> Value {
    json!({"tracking_number": "TRACK-123-XYZ", "carrier": "DHL Express"})
}

pub(crate) fn ada(customer: u128) -> Value {
    json!({"customer_id": id(customer), "email": "ada@example.org", "first_name": "Ada", "last_name": "Lovelace"})
}

pub(crate) fn address() -> Value {
    json!({"street": "St James's Square", "city": "London", "state": "LND", "postal_code": "W1", "country": "GB"})
}

/// The golden run of an order: two items, confirmed, shipped, delivered.
pub(crate) fn life_of_an_order(order: u128, customer: u128) -> Vec<(String, Value)> {
    let path = |command: &str| format!("/api/v1/orders/{}/{command}", id(order));
    vec![
        ("/api/v1/orders".into(), new_order(order, customer)),
        (path("confirm"), json!({})),
        (path("ship"), parcel()),
        (path("deliver"), json!({"signature": "Ada Lovelace"})),
    ]
}

/// The golden run of a customer: registered, with an address, raised to gold.
pub(crate) fn life_of_a_customer(customer: u128) -> Vec<(String, Value)> {
    let path = |command: &str| format!("/api/v1/customers/{}/{command}", id(customer));
    let address = json!({"address_id": id(1), "address": address(), "set_as_default": true});
    vec![
        ("/api/v1/customers".into(), ada(customer)),
        (path("add-address"), address),
        (path("upgrade-tier"), json!({"new_tier": "Gold"})),
    ]
}
