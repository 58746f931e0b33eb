//! What laws are given: events to append, and everything a store holds.

use std::{future::Future, sync::Arc, time::Duration};

use futures_util::TryStreamExt;
use gesta_core::{
    AppendBatch, AppendError, Appended, EventStore, ExpectedVersion, Filter, NewEvent, Position, ReadAll,
    ReadStream, RecordedEvent, StreamId, Tenant, Version,
};

/// Far longer than any law needs: a hang becomes a failure with a name.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// Runs one law on a runtime of its own; what the [`conformance!`](crate::conformance) macro calls.
pub fn run(law: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime for the law");
    runtime.block_on(async { tokio::time::timeout(PATIENCE, law).await.expect("the law takes too long") });
    runtime.shutdown_timeout(Duration::from_secs(5));
}

pub(crate) fn stream(text: &str) -> StreamId {
    text.parse().expect("a legal stream id")
}

pub(crate) fn tenant(text: &str) -> Tenant {
    text.parse().expect("a legal tenant")
}

/// A JSON event that says its number.
pub(crate) fn event(number: u64) -> NewEvent {
    NewEvent::new("law.tested", format!("{{\"n\":{number}}}"))
}

pub(crate) fn events(count: u64) -> Vec<NewEvent> {
    (0..count).map(event).collect()
}

/// An append of one event to one stream, whatever its version.
pub(crate) fn one(to: &str, event: NewEvent) -> AppendBatch {
    AppendBatch::to(stream(to), ExpectedVersion::Any, [event])
}

pub(crate) fn exact(version: u64) -> ExpectedVersion {
    ExpectedVersion::Exact(Version::new(version))
}

pub(crate) async fn append(store: &Arc<dyn EventStore>, batch: AppendBatch) -> Appended {
    store.append(batch).await.expect("the append succeeds")
}

pub(crate) async fn refused(store: &Arc<dyn EventStore>, batch: AppendBatch) -> AppendError {
    store.append(batch).await.expect_err("the append is refused")
}

pub(crate) async fn head(store: &Arc<dyn EventStore>) -> Position {
    store.head().await.expect("the head can be read").position
}

pub(crate) async fn read_stream(store: &Arc<dyn EventStore>, read: ReadStream) -> Vec<RecordedEvent> {
    store.read_stream(read).try_collect().await.expect("the stream can be read")
}

pub(crate) async fn read_all(store: &Arc<dyn EventStore>, read: ReadAll) -> Vec<RecordedEvent> {
    store.read_all(read).try_collect().await.expect("the log can be read")
}

/// All events of the default tenant's stream.
pub(crate) async fn events_of(store: &Arc<dyn EventStore>, id: &str) -> Vec<RecordedEvent> {
    read_stream(store, ReadStream::of(Tenant::default(), stream(id))).await
}

/// All events of the default tenant behind a position.
pub(crate) async fn log_after(store: &Arc<dyn EventStore>, after: Position) -> Vec<RecordedEvent> {
    read_all(store, ReadAll::of(Filter::of(Tenant::default())).after(after)).await
}
