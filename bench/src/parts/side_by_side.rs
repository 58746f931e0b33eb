//! Closed loop: Gesta over HTTP, the same server with no store on disk, Redis, PostgreSQL, taken in turn.

use super::fresh;
use crate::{
    load::{Figure, closed},
    peers::{Postgres, Redis},
    process::Server,
    report::{Report, latency, rate, ratio},
    settings::Settings,
    wire::{Http, Route},
};

/// Connections and events a request.
const LOADS: [(usize, usize); 4] = [(16, 1), (64, 1), (256, 1), (16, 100)];

/// A system under load.
enum System {
    Durable,
    Relaxed,
    NoStore,
    Redis(Redis),
    Postgres(Postgres),
}

impl System {
    fn name(&self) -> &'static str {
        match self {
            Self::Durable => "Gesta",
            Self::Relaxed => "Gesta, relaxed",
            Self::NoStore => "Gesta, no store",
            Self::Redis(_) => "Redis",
            Self::Postgres(_) => "PostgreSQL",
        }
    }

    async fn measure(
        &self,
        settings: &Settings,
        connections: usize,
        events: usize,
    ) -> Result<Figure, String> {
        let route = if events == 1 { Route::Publish } else { Route::PublishBatch(events) };
        let relaxed = if events == 1 { Route::PublishRelaxed } else { Route::PublishBatchRelaxed(events) };
        let span = settings.closed();
        match self {
            Self::Durable => gesta(settings, connections, route, "serve").await,
            Self::Relaxed => gesta(settings, connections, relaxed, "serve").await,
            Self::NoStore => gesta(settings, connections, route, "no-store").await,
            Self::Redis(redis) => redis.measure(connections, events, span).await,
            Self::Postgres(postgres) => postgres.measure(connections, events, span),
        }
    }
}

/// Measures every load on every system before the next load, so that a change of weather hits all of them.
pub(super) async fn run(settings: &Settings, report: &mut Report) -> Result<(), String> {
    report.part("Closed loop");
    let systems = systems(settings, report)?;
    let mut rows = Vec::new();
    for (connections, events) in LOADS {
        let load = format!("{connections} × {events}");
        let mut first = None;
        for system in &systems {
            let figure = system.measure(settings, connections, events).await?;
            let per_second = figure.per_second * events as f64;
            let ours = *first.get_or_insert(if settings.wants("http") { per_second } else { 0.0 });
            let name = system.name();
            println!("{load} {name}: {} events/s", rate(per_second));
            rows.push(vec![
                load.clone(),
                name.into(),
                rate(per_second),
                latency(&figure),
                ratio(ours, per_second),
            ]);
            report.keep(&format!("closed {load} {name}"), figure);
        }
    }
    report
        .table(&["connections × events", "system", "events/s", "p50 / p99 / p99.9 ms", "Gesta ÷ it"], &rows);
    Ok(())
}

fn systems(settings: &Settings, report: &mut Report) -> Result<Vec<System>, String> {
    let mut systems = Vec::new();
    if settings.wants("http") {
        systems.extend([System::Durable, System::Relaxed, System::NoStore]);
    }
    if settings.wants("peers") {
        let (redis, postgres) = (Redis::find()?, Postgres::find()?);
        report.say(&format!("Beside {} and {}.", redis.version(), postgres.version()));
        systems.extend([System::Redis(redis), System::Postgres(postgres)]);
    }
    Ok(systems)
}

async fn gesta(settings: &Settings, connections: usize, route: Route, verb: &str) -> Result<Figure, String> {
    let data = fresh(&settings.folder.join("http"))?;
    let server = Server::start(settings, verb, &data)?;
    closed(server.address, connections, settings.closed(), |number| Http::new(route, number)).await
}
