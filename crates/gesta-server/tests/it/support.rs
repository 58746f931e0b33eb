//! A service to ask, and replies to look at.

use std::{env, sync::Arc};

use axum::{
    Router,
    body::Body,
    http::{HeaderMap, Method, Request, StatusCode, request},
    response::Response,
};
use gesta_server::{Backend, Config, service};
use http_body_util::BodyExt;
use serde_json::Value;
use tower::ServiceExt;

use crate::database::{Database, database};

/// A service on a store of its own.
#[derive(Clone)]
pub(crate) struct Server {
    router: Router,
    headers: Vec<(String, String)>,
    /// What it stands on, if not on memory.
    database: Option<Arc<Database>>,
}

/// What it answered.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

/// Set where the tests are to stand on PostgreSQL, see [`crate::on_postgres`].
pub(crate) const ON_POSTGRES: &str = "GESTA_TEST_ROUTES_ON_POSTGRES";

/// What an acknowledgement of that store survives.
pub(crate) fn durability() -> &'static str {
    if env::var_os(ON_POSTGRES).is_some() { "synced" } else { "volatile" }
}

/// An empty store.
async fn backend() -> (Backend, Option<Arc<Database>>) {
    if env::var_os(ON_POSTGRES).is_none() {
        return (Backend::memory(), None);
    }
    let database = database().await;
    let options = gesta_postgres::Options::default().connections(4);
    (Backend::postgres(&database.url(), options).await.expect("a store"), Some(Arc::new(database)))
}

impl Server {
    pub(crate) async fn new() -> Self {
        Self::with(Config::default()).await
    }

    pub(crate) async fn with(mut config: Config) -> Self {
        config.request_log = false;
        let (backend, database) = backend().await;
        let router = service(backend, config).await.expect("starts");
        Self { router, headers: Vec::new(), database }
    }

    /// The service of a program that has routes of its own.
    pub(crate) async fn of(embedded: gesta_server::Server) -> Self {
        Self { router: embedded.service().await.expect("starts"), headers: Vec::new(), database: None }
    }

    /// The same service, asked with one header more.
    pub(crate) fn header(&self, name: &str, value: &str) -> Self {
        let mut headers = self.headers.clone();
        headers.push((name.to_owned(), value.to_owned()));
        Self { router: self.router.clone(), headers, database: self.database.clone() }
    }

    /// The same service, shown this key.
    pub(crate) fn key(&self, key: &str) -> Self {
        self.header("authorization", &format!("Bearer {key}"))
    }

    /// The same service as this tenant.
    pub(crate) fn tenant(&self, name: &str) -> Self {
        self.header("gesta-tenant", name)
    }

    pub(crate) async fn get(&self, path: &str) -> Reply {
        self.ask(Method::GET, path, Body::empty()).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Reply {
        self.ask(Method::DELETE, path, Body::empty()).await
    }

    pub(crate) async fn post(&self, path: &str, body: impl ToString) -> Reply {
        self.header("content-type", "application/json").ask(Method::POST, path, body.to_string()).await
    }

    pub(crate) async fn ask(&self, method: Method, path: &str, body: impl Into<Body>) -> Reply {
        let response = self.respond_with(Request::builder().method(method).uri(path), body.into()).await;
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.expect("a whole body").to_bytes();
        let body = String::from_utf8(bytes.into()).expect("UTF-8");
        Reply { status: parts.status, headers: parts.headers, body }
    }

    /// The response to a request without a body, unread.
    pub(crate) async fn respond(&self, request: request::Builder) -> Response {
        self.respond_with(request, Body::empty()).await
    }

    pub(crate) async fn respond_with(&self, mut request: request::Builder, body: Body) -> Response {
        request = request.header("host", "127.0.0.1");
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        let request = request.body(body).expect("a request");
        self.router.clone().oneshot(request).await.expect("never fails")
    }

    /// Publishes an event of this type and answers with its reply.
    pub(crate) async fn publish(&self, event_type: &str, subject: &str) -> Value {
        let body = serde_json::json!({
            "event_type": event_type, "source_service": "test", "payload": {"n": 1}, "subject": subject,
        });
        self.post("/api/v1/events/publish", body).await.ok()
    }
}

impl Reply {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The body of a success.
    #[track_caller]
    pub(crate) fn ok(&self) -> Value {
        assert!(self.status.is_success(), "{self:?}");
        assert_eq!(self.headers["content-type"], "application/json", "{self:?}");
        self.json()
    }

    /// The body of a refusal with this status and code.
    #[track_caller]
    pub(crate) fn refused(&self, status: u16, code: &str) -> Value {
        assert_eq!(self.status.as_u16(), status, "{self:?}");
        assert_eq!(self.headers["content-type"], "application/problem+json", "{self:?}");
        let problem = self.json();
        assert_eq!((&problem["code"], &problem["status"]), (&code.into(), &status.into()), "{problem}");
        assert_eq!(problem["type"], format!("/docs/errors/{code}"));
        assert!(problem["detail"].as_str().is_some_and(|text| !text.is_empty()), "{problem}");
        assert_eq!(problem["retryable"], status == 503 || status == 429 || status == 408);
        if status == 503 || status == 429 {
            assert!(self.headers.contains_key("retry-after"), "{self:?}");
        }
        problem
    }

    pub(crate) fn etag(&self) -> &str {
        self.headers["etag"].to_str().expect("ASCII")
    }
}

/// The JSON with everything that differs from run to run replaced by its kind.
pub(crate) fn masked(mut value: Value) -> Value {
    mask(&mut value, "");
    value
}

fn mask(value: &mut Value, key: &str) {
    match value {
        Value::Object(map) => map.iter_mut().for_each(|(key, value)| mask(value, key)),
        Value::Array(items) => items.iter_mut().for_each(|item| mask(item, key)),
        Value::String(text) if text.parse::<uuid::Uuid>().is_ok() => *text = "<uuid>".into(),
        Value::String(text) if text.parse::<gesta_core::Timestamp>().is_ok() => *text = "<time>".into(),
        Value::String(text) if matches!(key, "cursor" | "next" | "delivery_id") => *text = "<opaque>".into(),
        Value::Number(number) if key == "uptime_seconds" => *number = 0.into(),
        _ => {}
    }
}
