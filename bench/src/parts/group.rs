//! One consumer of a group: pull, acknowledge, pull again.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::fresh;
use crate::{
    load::{Span, closed},
    process::Server,
    report::{Report, mebibytes, rate},
    settings::Settings,
    wire::{Http, Route, post, whole_reply},
};

/// Fills a log, then drains it through a group.
pub(super) async fn run(settings: &Settings, report: &mut Report) -> Result<(), String> {
    report.part("One consumer of a group");
    let server = Server::start(settings, "serve", &fresh(&settings.folder.join("group"))?)?;
    let mut consumer = Consumer::open(server.address).await?;
    consumer.ask("/api/v1/groups", &json!({"name": "bench", "start": "beginning"})).await?;
    let empty = server.memory();
    let seconds = Duration::from_secs(if settings.smoke { 1 } else { 3 });
    let fill = Span { warm_up: Duration::ZERO, measured: seconds };
    let filled =
        closed(server.address, 16, fill, |number| Http::new(Route::PublishBatch(100), number)).await?;
    let (events, queued) = (filled.requests * 100, server.memory());
    report.say(&format!(
        "Memory with no event {}, with {events} queued for the group {}.",
        mebibytes(empty),
        mebibytes(queued)
    ));
    report.keep("queued", json!({"events": events, "bytes_before": empty, "bytes_after": queued}));
    let began = Instant::now();
    let limit = Duration::from_secs(if settings.smoke { 1 } else { 10 });
    let mut taken = 0;
    while began.elapsed() < limit {
        let pulled = consumer
            .ask("/api/v1/groups/bench/pull", &json!({"consumer": "one", "max": 500, "wait_ms": 0}))
            .await?;
        let deliveries = pulled["deliveries"].as_array().cloned().unwrap_or_default();
        if deliveries.is_empty() {
            break;
        }
        let ids: Vec<&Value> = deliveries.iter().map(|delivery| &delivery["delivery_id"]).collect();
        consumer.ask("/api/v1/groups/bench/ack", &json!({"delivery_ids": ids})).await?;
        taken += deliveries.len();
    }
    let per_second = taken as f64 / began.elapsed().as_secs_f64();
    report.say(&format!(
        "{taken} events pulled and acknowledged, 500 at a time: {} events/s.",
        rate(per_second)
    ));
    report.keep("group_per_second", per_second);
    Ok(())
}

struct Consumer {
    socket: TcpStream,
}

impl Consumer {
    async fn open(address: SocketAddr) -> Result<Self, String> {
        let socket = TcpStream::connect(address).await.map_err(|cause| cause.to_string())?;
        socket.set_nodelay(true).map_err(|cause| cause.to_string())?;
        Ok(Self { socket })
    }

    async fn ask(&mut self, path: &str, body: &Value) -> Result<Value, String> {
        let mut request = Vec::new();
        post(path, &body.to_string(), &mut request);
        self.socket.write_all(&request).await.map_err(|cause| cause.to_string())?;
        let mut input = Vec::new();
        loop {
            if let Some((from, to)) = whole_reply(&input)? {
                return serde_json::from_slice(&input[from..to]).map_err(|cause| cause.to_string());
            }
            if self.socket.read_buf(&mut input).await.map_err(|cause| cause.to_string())? == 0 {
                return Err("the server has closed the connection".into());
            }
        }
    }
}
