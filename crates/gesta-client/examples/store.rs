//! Appends with an expected version and reads back. Run it beside `gesta serve`; GESTA_URL names another server.

use futures_util::TryStreamExt;
use gesta_client::{Client, HttpStore};
use gesta_core::{
    AppendBatch, AppendError, EventStore, ExpectedVersion, NewEvent, ReadStream, StreamId, Tenant,
};
use serde_json::json;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let url = std::env::var("GESTA_URL").unwrap_or_else(|_| "http://127.0.0.1:8087".into());
    let store = HttpStore::connect(Client::new(&url)?).await?;
    let order: StreamId = format!("order-{}", uuid::Uuid::now_v7()).parse()?;

    let placed = NewEvent::json("order.placed", &json!({"total": 42}))?;
    store.append(AppendBatch::to(order.clone(), ExpectedVersion::NoStream, [placed])).await?;

    // Somebody else was first: the conflict says what the version is, and the decision is made again.
    let paid = NewEvent::json("order.paid", &json!({"amount": 42}))?;
    let batch = |expected| AppendBatch::to(order.clone(), expected, [paid.clone()]);
    let paid = match store.append(batch(ExpectedVersion::NoStream)).await {
        Err(AppendError::Conflict(conflict)) => {
            store.append(batch(ExpectedVersion::Exact(conflict.actual))).await?
        }
        other => other?,
    };
    println!("paid at version {}", paid.last().version);

    let mut events = store.read_stream(ReadStream::of(Tenant::default(), order));
    while let Some(event) = events.try_next().await? {
        println!("{} {}", event.version, event.event_type);
    }
    Ok(())
}
