//! What every way of appending has in common.

use std::time::Instant;

use futures_util::TryStreamExt;
use gesta_api::Code;
use gesta_core::{AppendBatch, Appended, Durability, Filter, ReadAll, StreamAppend, StreamId};

use super::headers::EventIds;
use crate::{app::App, auth::Caller, problem::Failure, telemetry};

/// Refuses to write to a stream of Gesta itself.
fn refuse_system(stream: &StreamId) -> Result<(), Failure> {
    if !stream.is_system() {
        return Ok(());
    }
    let detail = format!("stream {stream} belongs to Gesta itself: choose a category without $");
    Err(Failure::new(Code::SystemStream, detail))
}

/// Appends for this caller, counts it, and tells the reuse of an idempotency key.
pub(crate) async fn append(
    app: &App,
    caller: &Caller,
    appends: Vec<StreamAppend>,
    durability: Durability,
    ids: &EventIds,
) -> Result<Appended, Failure> {
    appends.iter().try_for_each(|append| refuse_system(&append.stream))?;
    let batch = AppendBatch { tenant: caller.tenant.clone(), appends, durability };
    if let Some((_, event)) = batch.events().next() {
        telemetry::correlate(event.metadata.correlation_id.as_deref().unwrap_or(&event.id.to_string()));
    }
    let (count, begun) = (batch.events().count(), Instant::now());
    let appended = match app.store.append(batch).await {
        Ok(appended) => appended,
        Err(error) => {
            app.telemetry.publish_failed(count);
            return Err(ids.explain(error.into()));
        }
    };
    if appended.repeated {
        refuse_shorter_repeat(app, caller, ids).await?;
    } else {
        app.counters.of(&caller.tenant).published.add(count);
        app.telemetry.published(count, begun.elapsed());
    }
    Ok(appended)
}

/// A body that is the beginning of the one its key was used for repeats known ids only, so the store cannot tell.
async fn refuse_shorter_repeat(app: &App, caller: &Caller, ids: &EventIds) -> Result<(), Failure> {
    let Some(upcoming) = ids.upcoming() else { return Ok(()) };
    let read = ReadAll::of(Filter::of(caller.tenant.clone()).ids([upcoming])).limit(1);
    let known = app.store.read_all(read).try_next().await?;
    if known.is_some() { Err(EventIds::reused()) } else { Ok(()) }
}
