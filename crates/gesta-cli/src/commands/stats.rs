//! `gesta stats`: how the server fares, and what was counted.

use clap::Args;
use gesta_api::{Health, HealthStatus, LogInfo, Stats as Counted};
use gesta_client::EventServiceClient;
use serde::Serialize;

use crate::{exit::Outcome, output::number, shared::Shared};

/// Show how the server fares
#[derive(Debug, Args)]
pub(crate) struct Stats;

#[derive(Serialize)]
struct Shown {
    health: Health,
    log: LogInfo,
    stats: Counted,
}

impl Stats {
    pub(crate) async fn run(self, shared: &Shared) -> Outcome {
        let client = shared.client()?;
        let events = EventServiceClient::of(client.clone(), "gesta-cli");
        let shown = Shown {
            health: events.health().await?,
            log: client.get("/api/v1/log/head").await?,
            stats: events.stats().await?,
        };
        shared.output.print(&shown, text)
    }
}

fn text(shown: &Shown) -> String {
    let status = match shown.health.status {
        HealthStatus::Healthy => "healthy",
        HealthStatus::Degraded => "degraded",
        HealthStatus::Unhealthy => "unhealthy",
    };
    let mut text = format!(
        "status     {status}, version {}, up {} s\nlog        {} events, incarnation {}\n\
         published  {}\nconsumed   {}\nfailed     {}\ngroups     {}\ncounted since {}",
        shown.health.version,
        number(shown.health.uptime_seconds),
        number(shown.log.position),
        shown.log.incarnation,
        number(shown.stats.events_published),
        number(shown.stats.events_consumed),
        number(shown.stats.events_failed),
        number(shown.stats.handlers_registered),
        shown.stats.since,
    );
    for (name, found) in &shown.health.checks {
        text += &format!("\n{name:<10} {found}");
    }
    text
}
