//! The application in this process, asked over its routes.

use std::{path::Path, sync::Arc};

use axum::{
    Router,
    body::Body,
    http::{HeaderMap, Method, Request},
};
use gesta::Processors;
use gesta_core::EventStore;
use gesta_file::Options;
use gesta_server::{Backend, Config};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tempfile::TempDir;
use tower::ServiceExt;

/// The application in this process, with a data folder of its own.
pub(crate) struct Running {
    pub(crate) router: Router,
    pub(crate) processors: Arc<Processors>,
    pub(crate) store: Arc<dyn EventStore>,
    folder: TempDir,
    _watch: orders::Watching,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
}

impl Running {
    pub(crate) async fn start() -> Self {
        Self::with(Config::default()).await
    }

    pub(crate) async fn with(config: Config) -> Self {
        Self::over(tempfile::tempdir().expect("a temporary folder"), config).await
    }

    /// The application over the data that is in a folder.
    pub(crate) async fn over(folder: TempDir, config: Config) -> Self {
        Self::on(folder, config, |backend| backend).await
    }

    /// The same with something about the store changed.
    pub(crate) async fn on(folder: TempDir, config: Config, change: impl FnOnce(Backend) -> Backend) -> Self {
        let backend = Backend::file(folder.path(), Options::default().without_sync()).await.expect("a store");
        let backend = change(backend);
        let store = backend.store();
        let app = orders::app(backend, config).await.expect("an application");
        let router = app.server.service().await.expect("a service");
        app.processors.start_all().await.expect("processors");
        Self { router, processors: app.processors, store, folder, _watch: app.watch }
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
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
        let text = || Value::String(String::from_utf8_lossy(&bytes).into_owned());
        let body = serde_json::from_slice(&bytes).unwrap_or_else(|_| text());
        Answer { status: parts.status.as_u16(), headers: parts.headers, body }
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
