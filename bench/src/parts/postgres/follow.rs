//! From an append in one process to a subscriber in another.

use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use gesta::Subscription;
use gesta_core::{AppendBatch, EventStore, ExpectedVersion, Filter, NewEvent, StreamId, Tenant};
use gesta_postgres::{Options, PostgresStore};
use serde::Deserialize;

use super::{finish, start};
use crate::{
    load::{Latency, histogram},
    report::Report,
    settings::Settings,
    wire::Workload,
};

/// Appends a second.
const RATE: u64 = 200;

/// What the data says.
#[derive(Deserialize)]
struct Sent {
    sent_at: u64,
}

/// Appends at a fixed rate, each event with the time it was sent at.
pub(super) async fn pace(url: &str, rate: u64, seconds: u64) -> Result<(), String> {
    let store = PostgresStore::connect(url, Options::default()).await.map_err(|cause| cause.to_string())?;
    let mut workload = Workload::new(1);
    let mut ticks = tokio::time::interval(Duration::from_micros(1_000_000 / rate));
    for _ in 0..rate * seconds {
        ticks.tick().await;
        let number = workload.stream();
        let stream = format!("sample-{number}").parse::<StreamId>().map_err(|cause| cause.to_string())?;
        let event = NewEvent::new("sample.created", workload.data(number, now()));
        let appended = store.append(AppendBatch::to(stream, ExpectedVersion::Any, [event])).await;
        appended.map_err(|cause| cause.to_string())?;
    }
    store.close().await;
    super::tell(&serde_json::json!({ "appended": rate * seconds }))
}

/// Follows the log until it has seen so many events; prints how late they were.
pub(super) async fn follow(url: &str, events: u64) -> Result<(), String> {
    let store = PostgresStore::connect(url, Options::default()).await.map_err(|cause| cause.to_string())?;
    let mut subscription = Subscription::new(Arc::new(store), Filter::of(Tenant::default()));
    let (mut latencies, mut seen) = (histogram(), 0);
    while seen < events {
        let batch = subscription.next_batch(500).await.map_err(|cause| cause.to_string())?;
        let heard = now();
        for event in batch.events {
            let sent: Sent = serde_json::from_slice(&event.data).map_err(|cause| cause.to_string())?;
            seen += 1;
            // The first tenth warms up.
            if events / 10 < seen {
                latencies.saturating_record(heard.saturating_sub(sent.sent_at) / 1_000);
            }
        }
    }
    super::tell(&Latency::of(&latencies))
}

/// Both at once, in two processes.
pub(super) fn report(settings: &Settings, report: &mut Report, url: &str) -> Result<(), String> {
    let seconds = settings.paced().measured.as_secs().max(1);
    let follower = start(url, "follow", &[(RATE * seconds).to_string()])?;
    let pacer = start(url, "pace", &[RATE, seconds].map(|number| number.to_string()))?;
    let _: serde_json::Value = finish(pacer)?;
    let latency: Latency = finish(follower)?;
    report.say(&format!(
        "{RATE} appends a second in one process, from sending to a subscriber in another: {:.2} / {:.2} / {:.2} ms \
         (p50 / p99 / p99.9).",
        latency.p50, latency.p99, latency.p999
    ));
    report.keep("postgres_follow", latency);
    Ok(())
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos() as u64)
}
