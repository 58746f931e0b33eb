//! Reading the whole log.

use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::TryStreamExt;
use gesta::Subscription;
use gesta_core::{EventStore, Filter, Position, ReadAll};
use gesta_file::{FileStore, Options};

/// Reads it through the port, through a subscription, and for a type that hardly occurs; prints a line of JSON.
pub(super) async fn scan(folder: &Path) -> Result<(), String> {
    let store = FileStore::open(folder, Options::default()).map_err(|cause| cause.to_string())?;
    let store: Arc<dyn EventStore> = Arc::new(store);
    let events = store.head().await.map_err(|cause| cause.to_string())?.position;
    let per_second = |took: Duration| events.get() as f64 / took.as_secs_f64();

    let began = Instant::now();
    let read = count(&store, Filter::everything()).await?;
    let port = per_second(began.elapsed());
    if read != events.get() {
        return Err(format!("{read} events read of {events}"));
    }

    let began = Instant::now();
    let mut subscription = Subscription::new(store.clone(), Filter::everything()).after(Position::START);
    let mut reached = Position::START;
    while reached < events {
        reached = subscription.next_batch(1_000).await.map_err(|cause| cause.to_string())?.position;
    }
    let subscription = per_second(began.elapsed());

    let began = Instant::now();
    let found = count(&store, Filter::everything().types(["bench.recovered"])).await?;
    let filtered = per_second(began.elapsed());
    println!(
        "{}",
        serde_json::json!({
            "events": events.get(), "port_per_second": port, "subscription_per_second": subscription,
            "filtered_per_second": filtered, "found": found,
        })
    );
    Ok(())
}

async fn count(store: &Arc<dyn EventStore>, filter: Filter) -> Result<u64, String> {
    let mut events = store.read_all(ReadAll::of(filter));
    let mut count = 0;
    while events.try_next().await.map_err(|cause| cause.to_string())?.is_some() {
        count += 1;
    }
    Ok(count)
}
