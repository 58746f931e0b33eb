//! The server with nothing behind it: what HTTP, JSON and the rest cost by themselves.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use async_trait::async_trait;
use futures_util::stream;
use gesta_core::{
    AppendBatch, AppendError, Appended, AppendedEvent, Capabilities, DurabilityClass, EventStore,
    EventStream, Incarnation, LogHead, Position, ReadAll, ReadError, ReadStream, Timestamp, Version, Wakeups,
};
use gesta_server::{Backend, Config, start_on};
use tokio::{net::TcpListener, sync::watch};

/// Answers every append at once and keeps nothing.
struct NoStore {
    position: AtomicU64,
    incarnation: Incarnation,
    head: watch::Sender<Position>,
}

/// Serves on HOST and PORT, as `gesta serve` does, until it is killed.
pub(crate) fn serve() -> Result<(), String> {
    let config =
        Config::from_environment(|name| std::env::var(name).ok()).map_err(|cause| cause.to_string())?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.map_err(|cause| cause.to_string())?.block_on(async {
        let listener = TcpListener::bind((config.host.as_str(), config.port)).await;
        let store = NoStore {
            position: AtomicU64::new(0),
            incarnation: Incarnation::random(),
            head: watch::Sender::new(Position::START),
        };
        let backend = Backend::memory().with_store(|_| Arc::new(store));
        let running = start_on(listener.map_err(|cause| cause.to_string())?, backend, config).await;
        let _running = running.map_err(|cause| cause.to_string())?;
        std::future::pending().await
    })
}

#[async_trait]
impl EventStore for NoStore {
    async fn append(&self, batch: AppendBatch) -> Result<Appended, AppendError> {
        batch.validate()?;
        let recorded_at = Timestamp::from_micros(0);
        let events = batch.events().map(|(_, event)| {
            let position = Position::new(self.position.fetch_add(1, Ordering::Relaxed) + 1);
            AppendedEvent { id: event.id, version: Version::new(1), position, recorded_at }
        });
        Ok(Appended {
            events: events.collect(),
            repeated: false,
            durability: Some(DurabilityClass::Volatile),
        })
    }

    fn read_stream(&self, _: ReadStream) -> EventStream {
        Box::pin(stream::empty())
    }

    fn read_all(&self, _: ReadAll) -> EventStream {
        Box::pin(stream::empty())
    }

    async fn head(&self) -> Result<LogHead, ReadError> {
        Ok(LogHead { incarnation: self.incarnation, position: Position::START })
    }

    fn wakeups(&self) -> Wakeups {
        Wakeups::from_watch(self.head.subscribe())
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            durability: DurabilityClass::Volatile,
            multi_stream: true,
            dense_positions: true,
            relaxed: true,
        }
    }
}
