//! Whatever store holds them, the orders are the same: the same commands and the same file give the same answers, byte by
//! byte.

use std::{
    collections::BTreeSet,
    env,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use axum::{
    Router,
    body::Body,
    http::{Method, Request},
};
use gesta::Processors;
use gesta_core::{Clock, EventStore, SystemClock, Timestamp};
use gesta_file::Options;
use gesta_server::{Backend, Config};
use http_body_util::BodyExt;
use orders::{import::import, read_models};
use serde_json::{Value, json};
use tempfile::TempDir;
use tower::ServiceExt;

use crate::{
    database::{self, Database},
    running::{id, new_order},
};

/// Where the orders are kept.
enum Place {
    Folder(TempDir),
    Database(Database),
}

impl Place {
    async fn both() -> [Self; 2] {
        [Self::Folder(tempfile::tempdir().expect("a folder")), Self::Database(database::database().await)]
    }

    async fn backend(&self) -> Backend {
        match self {
            Self::Folder(folder) => {
                Backend::file(folder.path(), Options::default().without_sync()).await.expect("a folder")
            }
            Self::Database(database) => {
                let options = gesta_postgres::Options::default();
                Backend::postgres(&database.url(), options).await.expect("a database")
            }
        }
    }
}

/// The application over one of them.
struct App {
    router: Router,
    processors: Arc<Processors>,
    store: Arc<dyn EventStore>,
    _watch: orders::Watching,
}

impl App {
    async fn over(place: &Place) -> Self {
        let backend = place.backend().await;
        let store = backend.store();
        let app = orders::app(backend, Config::default()).await.expect("an application");
        let router = app.server.service().await.expect("a service");
        app.processors.start_all().await.expect("processors");
        Self { router, processors: app.processors, store, _watch: app.watch }
    }

    /// Status and body as they come.
    async fn ask(&self, method: Method, path: &str, body: Option<Value>) -> (u16, String) {
        let request = Request::builder().method(method).uri(path).header("host", "127.0.0.1");
        let request = request.header("content-type", "application/json");
        let body = body.map_or_else(Body::empty, |body| Body::from(body.to_string()));
        let asked = self.router.clone().oneshot(request.body(body).expect("a request")).await;
        let (parts, body) = asked.expect("an answer").into_parts();
        let bytes = body.collect().await.expect("a body").to_bytes();
        (parts.status.as_u16(), String::from_utf8(bytes.to_vec()).expect("text"))
    }

    async fn get(&self, path: &str) -> (u16, String) {
        self.ask(Method::GET, path, None).await
    }

    /// Waits until every read model has seen everything.
    async fn settle(&self) {
        let head = self.store.head().await.expect("a head").position;
        for name in read_models::NAMES {
            self.processors.wait_for(name, head, Duration::from_secs(60)).await.expect("it catches up");
        }
    }

    /// Every page of a list, and the orders and customers on them.
    async fn list(&self, question: &str, seen: &mut BTreeSet<(String, String)>) -> Vec<String> {
        let mut pages = Vec::new();
        loop {
            let page = pages.len() + 1;
            let (status, body) =
                self.get(&format!("/api/v1/orders?{question}&page={page}&page_size=100")).await;
            assert_eq!(status, 200, "{body}");
            let told: Value = serde_json::from_str(&body).expect("JSON");
            let text = |item: &Value, key: &str| item[key].as_str().expect("text").to_owned();
            let items = told["items"].as_array().expect("items");
            seen.extend(items.iter().map(|item| (text(item, "order_id"), text(item, "customer_id"))));
            pages.push(body);
            if told["has_next"] == json!(false) {
                return pages;
            }
        }
    }

    /// Everything that can be asked about the orders there are, each with its answer.
    async fn answers(&self) -> Vec<(String, String)> {
        let (mut seen, mut answers) = (BTreeSet::new(), Vec::new());
        for status in ["ACTIVE", "Created", "Confirmed", "Shipped", "Delivered", "Cancelled"] {
            let question = format!("status={status}");
            let pages = self.list(&question, &mut seen).await;
            answers.extend(pages.into_iter().map(|page| (question.clone(), page)));
        }
        let customers: BTreeSet<_> = seen.iter().map(|(_, customer)| customer.clone()).collect();
        for customer in customers {
            let question = format!("customer_id={customer}");
            let pages = self.list(&question, &mut BTreeSet::new()).await;
            answers.extend(pages.into_iter().map(|page| (question.clone(), page)));
        }
        for (order, _) in &seen {
            for question in [String::new(), "?version=1".into()] {
                let path = format!("/api/v1/orders/{order}{question}");
                let (status, body) = self.get(&path).await;
                assert_eq!(status, 200, "{path}: {body}");
                answers.push((path, body));
            }
        }
        answers
    }
}

fn compare([folder, database]: [Vec<(String, String)>; 2], least: usize) {
    assert_eq!(folder.len(), database.len());
    assert!(folder.len() >= least, "{} answers", folder.len());
    for (one, other) in folder.iter().zip(&database) {
        assert_eq!(one, other);
    }
    println!("{} answers are equal", folder.len());
}

/// Imports a file into both, and compares what they say of it and what they answer.
async fn compare_imports(file: &Path, orders: usize) {
    let (mut told, mut answers) = (Vec::new(), Vec::new());
    for place in &Place::both().await {
        let report = import(file, async { Ok(place.backend().await) }).await.expect("is imported");
        told.push(report.to_string());
        let app = App::over(place).await;
        app.settle().await;
        answers.push(app.answers().await);
        app.processors.shutdown().await;
    }
    assert_eq!(told[0], told[1]);
    compare(answers.try_into().expect("two"), orders * 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sample_gives_the_same_answers() {
    compare_imports(&Path::new(env!("CARGO_MANIFEST_DIR")).join("samples/orders.csv"), 9).await;
}

/// All 600 real orders, where the data folder is there (`GESTA_TEST_DATA`).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn real_orders_give_the_same_answers() {
    let file = env::var_os("GESTA_TEST_DATA").map(|folder| PathBuf::from(folder).join("orders.csv"));
    if let Some(file) = file.filter(|file| file.exists()) {
        compare_imports(&file, 600).await;
    }
}

/// The golden run, and what is refused in it; times are those of the run.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_golden_run_gives_the_same_answers() {
    let began = SystemClock.now();
    let mut answers = Vec::new();
    for place in &Place::both().await {
        let app = App::over(place).await;
        let mut said = Vec::new();
        for (path, body) in golden_run() {
            let (status, body) = app.ask(Method::POST, &path, Some(body)).await;
            said.push((path, format!("{status} {body}")));
        }
        app.settle().await;
        said.extend(app.answers().await);
        for (path, _) in golden_run() {
            let (status, body) = app.get(&path).await;
            said.push((path, format!("{status} {body}")));
        }
        let customer = format!("/api/v1/customers/{}", id(7));
        said.push((customer.clone(), app.get(&customer).await.1));
        app.processors.shutdown().await;
        answers.push(said.into_iter().map(|(path, body)| (path, without_times(&body, began))).collect());
    }
    compare(answers.try_into().expect("two"), 20);
}

/// Two items, confirmed, shipped, delivered; an order that is given up; a customer with an address, raised to gold; and
/// what the rules refuse.
fn golden_run() -> Vec<(String, Value)> {
    let order = |number: u128, command: &str| format!("/api/v1/orders/{}/{command}", id(number));
    let customer = |command: &str| format!("/api/v1/customers/{}/{command}", id(7));
    let address = json!({"street": "St James's Square", "city": "London", "state": "LND", "postal_code": "W1", "country": "GB"});
    vec![
        ("/api/v1/orders".into(), new_order(1, 7)),
        (order(1, "confirm"), json!({})),
        (order(1, "ship"), json!({"tracking_number": "TRACK-123-XYZ", "carrier": "DHL Express"})),
        (order(1, "deliver"), json!({"signature": "Ada Lovelace"})),
        (order(1, "cancel"), json!({"reason": "too late"})),
        ("/api/v1/orders".into(), new_order(2, 7)),
        (order(2, "cancel"), json!({"reason": "'); DROP TABLE orders; -- $1"})),
        (
            "/api/v1/customers".into(),
            json!({"customer_id": id(7), "email": "ada@example.org", "first_name": "Ada", "last_name": "Lovelace"}),
        ),
        (customer("add-address"), json!({"address_id": id(1), "address": address, "set_as_default": true})),
        (customer("upgrade-tier"), json!({"new_tier": "Gold"})),
        (customer("upgrade-tier"), json!({"new_tier": "Bronze"})),
    ]
}

/// The same with every time of the run itself, and every trace of it, told as such.
fn without_times(body: &str, began: Timestamp) -> String {
    let word = |word: &str| match word.parse::<Timestamp>() {
        Ok(at) if at >= began => "now".to_owned(),
        _ => word.to_owned(),
    };
    body.split('"').map(word).collect::<Vec<_>>().join("\"")
}
