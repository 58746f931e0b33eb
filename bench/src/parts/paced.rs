//! Fixed rate: 10,000 events a second, with a live subscriber that measures end to end.

use std::{
    sync::{Arc, OnceLock},
    time::Instant,
};

use tokio::sync::oneshot;

use super::fresh;
use crate::{
    load::{Figure, Latency, paced, subscriber},
    process::{Server, size},
    report::{Report, latency},
    settings::Settings,
    wire::{Http, Route},
};

const RATE: u32 = 10_000;

/// Measures both numbers of publishers in both classes of durability.
pub(super) async fn run(settings: &Settings, report: &mut Report) -> Result<(), String> {
    report.part("Fixed rate");
    let rate = if settings.smoke { RATE / 10 } else { RATE };
    report.say(&format!(
        "{rate} one-event publishes a second; latency from when a request was due (no coordinated omission); one live \
         subscriber over SSE measures from due to received."
    ));
    let mut rows = Vec::new();
    for (route, class) in [(Route::Publish, "durable"), (Route::PublishRelaxed, "relaxed")] {
        for connections in [64, 1_000] {
            let (publish, end_to_end) = measure(settings, route, connections, rate).await?;
            rows.push(vec![
                format!("{connections}, {class}"),
                format!("{:.0}", publish.per_second),
                latency(&publish),
                format!("{:.2} / {:.2} / {:.1}", end_to_end.p50, end_to_end.p99, end_to_end.p999),
            ]);
            report.keep(&format!("paced_{connections}_{class}_publish"), publish);
            report.keep(&format!("paced_{connections}_{class}_end_to_end"), end_to_end);
        }
    }
    report.table(
        &["publishers", "answered/s", "publish p50 / p99 / p99.9 ms", "end to end p50 / p99 / p99.9 ms"],
        &rows,
    );
    Ok(())
}

async fn measure(
    settings: &Settings,
    route: Route,
    connections: usize,
    rate: u32,
) -> Result<(Figure, Latency), String> {
    let data = fresh(&settings.folder.join("paced"))?;
    let server = Server::start(settings, "serve", &data)?;
    let clock = Instant::now();
    let span = settings.paced();
    let (ready, answered) = oneshot::channel();
    let counted = Arc::new(OnceLock::new());
    let path = "/api/v1/log/stream?from=head".to_owned();
    let following = tokio::spawn(subscriber(server.address, path, clock, counted.clone(), ready));
    if answered.await.is_err() {
        let ended = following.await.map_err(|cause| cause.to_string())?;
        return Err(ended.err().unwrap_or_else(|| "the subscription ended".into()));
    }
    let publish =
        paced(server.address, connections, rate, clock, span, &counted, |number| Http::new(route, number))
            .await?;
    let latencies = following.await.map_err(|cause| cause.to_string())??;
    println!(
        "{connections} publishers: {} received end to end, {} bytes on disk",
        latencies.len(),
        size(&data)
    );
    Ok((publish, Latency::of(&latencies)))
}
