//! A log that grows to millions of events: do appends and reads stay what they were?

use std::{sync::Arc, time::Instant};

use gesta_core::{AppendBatch, EventStore, ExpectedVersion, Metadata, NewEvent, StreamId};
use gesta_postgres::{Options, PostgresStore};
use tokio::task::JoinSet;

use super::{Written, finish, start};
use crate::{
    report::{Report, rate},
    settings::Settings,
    wire::Workload,
};

/// Stretches of a growth.
const STRETCHES: u64 = 5;

/// Fills the log with so many more events, 100 an append by 16 writers.
pub(super) async fn grow(url: &str, events: u64) -> Result<(), String> {
    const WRITERS: u64 = 16;
    let store = PostgresStore::connect(url, Options::default()).await.map_err(|cause| cause.to_string())?;
    let store = Arc::new(store);
    let began = Instant::now();
    let mut writers = JoinSet::new();
    for writer in 0..WRITERS {
        let store = store.clone();
        writers.spawn(async move {
            let mut workload = Workload::new(events.wrapping_mul(31) + writer);
            let metadata =
                Metadata::from_json(Workload::metadata().as_bytes()).map_err(|cause| cause.to_string())?;
            for _ in 0..events / 100 / WRITERS {
                let number = workload.stream();
                let stream =
                    format!("sample-{number}").parse::<StreamId>().map_err(|cause| cause.to_string())?;
                let event = |_| {
                    NewEvent::new("sample.created", workload.data(number, 0)).with_metadata(metadata.clone())
                };
                let batch: Vec<_> = (0..100).map(event).collect();
                let appended = store.append(AppendBatch::to(stream, ExpectedVersion::Any, batch)).await;
                appended.map_err(|cause| cause.to_string())?;
            }
            Ok::<_, String>(())
        });
    }
    while let Some(done) = writers.join_next().await {
        done.map_err(|cause| cause.to_string())??;
    }
    super::tell(&serde_json::json!({ "events_per_second": events as f64 / began.elapsed().as_secs_f64() }))?;
    store.close().await;
    Ok(())
}

/// Fills it in stretches, and measures single appends and reads of one stream at the end of each.
pub(super) fn report(settings: &Settings, report: &mut Report, url: &str) -> Result<(), String> {
    let events = settings.events / 2;
    let mut rows = Vec::new();
    for stretch in 1..=STRETCHES {
        let filled: serde_json::Value = finish(start(url, "grow", &[(events / STRETCHES).to_string()])?)?;
        let span = if settings.smoke { ["100", "500"] } else { ["500", "4000"] };
        // Streams of their own for each stretch: these writers begin at the beginning.
        let first = (stretch * 1_000).to_string();
        let numbers = [&*first, "64", "1"].into_iter().chain(span).map(str::to_owned);
        let single: Written = finish(start(url, "append", &numbers.collect::<Vec<_>>())?)?;
        let read: serde_json::Value = finish(start(url, "read", &["1000".to_owned()])?)?;
        let figure = |of: &serde_json::Value, name: &str| of[name].as_f64().unwrap_or(0.0);
        rows.push(vec![
            rate((events / STRETCHES * stretch) as f64),
            rate(figure(&filled, "events_per_second")),
            rate(single.events_per_second),
            format!("{:.2} / {:.2}", single.latency.p50, single.latency.p99),
            format!("{:.2} / {:.2}", figure(&read, "p50"), figure(&read, "p99")),
            rate(figure(&read, "log_per_second")),
        ]);
        report.keep(
            &format!("postgres_grown_{stretch}"),
            serde_json::json!({ "filled": filled, "single": single, "read": read }),
        );
    }
    report.say("Growth: filled by 16 × 100; then 64 writers of single events, reads of one stream, and a scan of 200,000 events.");
    report.table(
        &[
            "events in the log",
            "filled, events/s",
            "single appends/s",
            "p50 / p99 ms",
            "read a stream, p50 / p99 ms",
            "scan, events/s",
        ],
        &rows,
    );
    Ok(())
}
