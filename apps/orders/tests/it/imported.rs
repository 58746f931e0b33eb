//! Orders of a file become orders of the application, once.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use futures_util::TryStreamExt;
use gesta_core::{EventStore, ReadStream, Tenant};
use gesta_file::{FileStore, Options};
use gesta_server::{Backend, Config};
use orders::import::{ImportError, ImportReport, UnreadableFile};

use crate::running::Running;

async fn import(file: &Path, folder: &Path) -> Result<ImportReport, ImportError> {
    orders::import::import(file, Backend::file(folder, Options::default())).await
}

fn sample(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("samples").join(name)
}

#[tokio::test]
async fn a_sample_is_imported_and_the_read_models_agree_with_the_file() {
    let data = tempfile::tempdir().unwrap();
    let report = import(&sample("orders.csv"), data.path()).await.unwrap();
    insta::assert_snapshot!(report);
    assert!(!report.agrees(), "one order was delivered and then cancelled, which the rules refuse");
    assert_eq!(report.file.by_customer, report.read_models.by_customer);
    assert_eq!(report.sent, report.accepted + report.refused.len());
}

#[tokio::test]
async fn a_second_import_changes_nothing() {
    let data = tempfile::tempdir().unwrap();
    let first = import(&sample("orders.csv"), data.path()).await.unwrap();
    let head = || async {
        let store = FileStore::open(data.path(), Options::default()).unwrap();
        let head = store.head().await.unwrap().position;
        store.close().await;
        head
    };
    let before = head().await;
    let second = import(&sample("orders.csv"), data.path()).await.unwrap();
    assert_eq!(head().await, before);
    assert_eq!((second.accepted, second.repeated), (0, first.accepted));
    assert_eq!((second.refused, second.read_models), (first.refused, first.read_models));
}

/// What was taken before an import ended early is not taken again.
#[tokio::test]
async fn an_import_that_ended_early_goes_on() {
    let data = tempfile::tempdir().unwrap();
    let whole = fs::read_to_string(sample("orders.csv")).unwrap();
    let part = data.path().join("part.csv");
    let first_three: Vec<&str> = whole.lines().take(6).collect();
    fs::write(&part, first_three.join("\n")).unwrap();
    let folder = data.path().join("data");
    let first = import(&part, &folder).await.unwrap();
    assert!(first.agrees());
    let second = import(&sample("orders.csv"), &folder).await.unwrap();
    assert_eq!((second.repeated, second.accepted), (first.accepted, 27 - first.accepted));
    assert_eq!(second.read_models.orders, 9);
}

#[tokio::test]
async fn events_happened_when_the_file_says() {
    let data = tempfile::tempdir().unwrap();
    import(&sample("orders.csv"), data.path()).await.unwrap();
    let store = FileStore::open(data.path(), Options::default()).unwrap();
    let stream = "order-10000000-0000-4000-8000-000000000001".parse().unwrap();
    let events: Vec<_> =
        store.read_stream(ReadStream::of(Tenant::default(), stream)).try_collect().await.unwrap();
    let told: Vec<_> = events
        .iter()
        .map(|event| {
            let occurred = event.metadata().unwrap().occurred_at.unwrap();
            format!("{} {occurred}", event.event_type)
        })
        .collect();
    assert_eq!(
        told,
        [
            "OrderCreated 2017-10-02T10:56:33.000000Z",
            "OrderConfirmed 2017-10-02T11:07:15.000000Z",
            "OrderShipped 2017-10-04T19:55:00.000000Z",
            "OrderDelivered 2017-10-10T21:25:13.000000Z",
        ]
    );
    store.close().await;
}

/// OR-41: the read models tell the times of the orders, not of the import.
#[tokio::test]
async fn the_read_models_tell_real_times_newest_first() {
    let data = tempfile::tempdir().unwrap();
    import(&sample("orders.csv"), data.path()).await.unwrap();
    let app = Running::over(data, Config::default()).await;
    let shown = app.get("/api/v1/orders/10000000-0000-4000-8000-000000000001").await.body;
    assert_eq!(shown["created_at"], "2017-10-02T10:56:33.000000Z");
    assert_eq!(shown["updated_at"], "2017-10-10T21:25:13.000000Z");
    let delivered = app.get("/api/v1/orders?status=Delivered").await.body;
    let times: Vec<_> =
        delivered["items"].as_array().unwrap().iter().map(|order| &order["created_at"]).collect();
    assert_eq!(
        times,
        [
            "2018-06-01T08:00:00.000000Z",
            "2018-05-01T08:00:00.000000Z",
            "2018-02-13T21:18:39.000000Z",
            "2017-10-02T10:56:33.000000Z",
        ]
    );
}

#[tokio::test]
async fn a_row_that_cannot_be_read_leaves_nothing_half_imported() {
    let data = tempfile::tempdir().unwrap();
    let broken = data.path().join("broken.csv");
    let good = fs::read_to_string(sample("orders.csv")).unwrap();
    fs::write(
        &broken,
        format!(
            "{good}{}\n",
            "10000000-0000-4000-8000-000000000099,x,shipped,2017-10-02 10:56:33,,,,,1,x,1,1"
        ),
    )
    .unwrap();
    let folder = data.path().join("data");
    let error = import(&broken, &folder).await.unwrap_err();
    let last = good.lines().count() as u64 + 1;
    assert!(
        matches!(&error, ImportError::Unreadable(UnreadableFile::Value { line, column: "customer_id", .. }) if *line == last),
        "{error}"
    );
    assert!(!folder.exists(), "the folder was not even opened");
    assert!(matches!(import(&data.path().join("none.csv"), &folder).await, Err(ImportError::Unreadable(_))));
}

#[tokio::test]
async fn a_folder_that_a_server_has_open_is_refused_with_the_remedy() {
    let data = tempfile::tempdir().unwrap();
    let store = FileStore::open(data.path(), Options::default()).unwrap();
    let error = import(&sample("orders.csv"), data.path()).await.unwrap_err().to_string();
    assert!(error.contains("stop the server"), "{error}");
    store.close().await;
}

/// All 600 real orders, where the data folder is there (`GESTA_TEST_DATA`).
#[tokio::test]
async fn real_orders_are_imported_and_the_read_models_agree() {
    let Some(file) = env::var_os("GESTA_TEST_DATA").map(|folder| PathBuf::from(folder).join("orders.csv"))
    else {
        return;
    };
    if !file.exists() {
        return;
    }
    let data = tempfile::tempdir().unwrap();
    let report = import(&file, data.path()).await.unwrap();
    println!("{report}");
    // Sums taken from the file by another way than the import's own.
    let mut reader = csv::Reader::from_path(&file).unwrap();
    let (mut rows, mut cents, mut statuses) = (0_i64, 0_i128, std::collections::BTreeMap::new());
    for record in reader.records().map(Result::unwrap) {
        rows += 1;
        let money = |text: &str| (text.parse::<f64>().unwrap() * 100.0).round() as i128;
        cents += money(&record[10]) + money(&record[11]);
        statuses.insert(record[0].to_owned(), record[2].to_owned());
    }
    let told = &report.read_models;
    assert_eq!((told.orders, told.quantity), (statuses.len() as u64, rows));
    assert_eq!(told.price_cents + told.freight_cents, cents);
    let count =
        |wanted: &[&str]| statuses.values().filter(|status| wanted.contains(&status.as_str())).count() as u64;
    let by = |status: &str| told.by_status.get(status).copied().unwrap_or_default();
    assert_eq!(by("Delivered"), count(&["delivered"]));
    assert_eq!(by("Shipped"), count(&["shipped"]));
    assert_eq!(by("Confirmed"), count(&["invoiced", "processing", "approved"]));
    assert_eq!(by("Cancelled"), count(&["canceled", "unavailable"]));
    assert!(report.agrees() && report.refused.is_empty(), "{report}");
}
