//! Whatever store holds them, the orders are the same: the same commands and the same file give the same answers, byte by
//! byte.

use std::{
    collections::BTreeSet,
    env,
    path::{Path, PathBuf},
};

use gesta_core::{Clock, SystemClock, Timestamp};
use gesta_server::{Backend, Config};
use orders::import::import;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    database::{self, Database},
    running::{Answer, Running, id, in_folder, life_of_a_customer, life_of_an_order, new_order},
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
            Self::Folder(folder) => in_folder(folder).await,
            Self::Database(database) => {
                let options = gesta_postgres::Options::default();
                Backend::postgres(&database.url(), options).await.expect("a database")
            }
        }
    }
}

impl Running {
    /// Every page of a list, and the orders and customers on them.
    async fn list(&self, question: &str, seen: &mut BTreeSet<(String, String)>) -> Vec<String> {
        let mut pages = Vec::new();
        loop {
            let page = pages.len() + 1;
            let Answer { status, text, body: told, .. } =
                self.get(&format!("/api/v1/orders?{question}&page={page}&page_size=100")).await;
            assert_eq!(status, 200, "{text}");
            pages.push(text);
            let text = |item: &Value, key: &str| item[key].as_str().expect("text").to_owned();
            let items = told["items"].as_array().expect("items");
            seen.extend(items.iter().map(|item| (text(item, "order_id"), text(item, "customer_id"))));
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
                let Answer { status, text, .. } = self.get(&path).await;
                assert_eq!(status, 200, "{path}: {text}");
                answers.push((path, text));
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
        let app = Running::on(place.backend().await, Config::default()).await;
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
        let app = Running::on(place.backend().await, Config::default()).await;
        let mut said = Vec::new();
        let said_of = |path: String, answer: Answer| (path, format!("{} {}", answer.status, answer.text));
        for (path, body) in golden_run() {
            let answer = app.post(&path, body).await;
            said.push(said_of(path, answer));
        }
        app.settle().await;
        said.extend(app.answers().await);
        let customer = format!("/api/v1/customers/{}", id(7));
        for path in golden_run().into_iter().map(|(path, _)| path).chain([customer]) {
            let answer = app.get(&path).await;
            said.push(said_of(path, answer));
        }
        app.processors.shutdown().await;
        answers.push(said.into_iter().map(|(path, body)| (path, without_times(&body, began))).collect());
    }
    compare(answers.try_into().expect("two"), 20);
}

/// An order's life and a customer's, an order that is given up, and what the rules refuse.
fn golden_run() -> Vec<(String, Value)> {
    let cancel = |number: u128, reason: &str| {
        (format!("/api/v1/orders/{}/cancel", id(number)), json!({"reason": reason}))
    };
    let given_up = [("/api/v1/orders".into(), new_order(2, 7)), cancel(2, "'); DROP TABLE orders; -- $1")];
    let downgrade = format!("/api/v1/customers/{}/upgrade-tier", id(7));
    let mut run = life_of_an_order(1, 7);
    run.push(cancel(1, "too late"));
    run.extend(given_up);
    run.extend(life_of_a_customer(7));
    run.push((downgrade, json!({"new_tier": "Bronze"})));
    run
}

/// The same with every time of the run itself, and every trace of it, told as such.
fn without_times(body: &str, began: Timestamp) -> String {
    let word = |word: &str| match word.parse::<Timestamp>() {
        Ok(at) if at >= began => "now".to_owned(),
        _ => word.to_owned(),
    };
    body.split('"').map(word).collect::<Vec<_>>().join("\"")
}
