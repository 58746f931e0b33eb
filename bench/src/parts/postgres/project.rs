//! The read models of the orders application in the log's database.

use std::sync::Arc;

use gesta_postgres::{Options, PostgresStore};

use super::{printed, start};
use crate::{
    parts::engine::{
        figures,
        read_models::{Ground, measure_on},
        table,
    },
    report::{Report, rate},
    settings::Settings,
};

/// Prints what it came to, figure by figure.
pub(super) async fn project(url: &str, events: u64) -> Result<(), String> {
    let store = PostgresStore::connect(url, Options::default()).await.map_err(|cause| cause.to_string())?;
    let ground = Ground {
        store: Arc::new(store.clone()),
        checkpoints: store.checkpoints(),
        read_models: store.read_models(),
    };
    measure_on(&ground, events).await?;
    store.close().await;
    Ok(())
}

/// In a process of its own.
pub(super) fn report(settings: &Settings, report: &mut Report, url: &str) -> Result<(), String> {
    let events = settings.events / 50;
    let figures = figures(&printed(start(url, "project", &[events.to_string()])?)?);
    report.say(&format!(
        "Read models of the orders application in the log's database, over {} events of orders, four an order.",
        rate(events as f64)
    ));
    table(report, &figures);
    report.keep("postgres_project", &figures);
    Ok(())
}
