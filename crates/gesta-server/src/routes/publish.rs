//! Publishing.

use axum::{
    extract::State,
    http::{HeaderMap, StatusCode},
    response::Response,
};
use gesta_api::{
    AcceptedEvent, AggregateEvent, Code, Durability, Problem, PublishBatchReply, PublishBatchRequest,
    PublishRequest, Published,
};
use gesta_core::{AppendedEvent, ExpectedVersion, NewEvent, StreamAppend, StreamId, limits};

use super::{
    headers::{EventIds, keep_trace},
    write,
};
use crate::{
    app::App,
    auth::Caller,
    extract::{JsonBody, json},
    problem::Failure,
};

/// Publish an event
///
/// Answers once the event is durable. The same `event_id` with the same content answers the same; a retry is safe
/// with an `event_id` or an `Idempotency-Key`.
#[utoipa::path(
    post, path = "/api/v1/events/publish", tag = "event service",
    params(("Idempotency-Key" = Option<String>, Header, description = "makes the event's id; instead of event_id")),
    request_body = PublishRequest,
    responses((status = 200, body = Published), (status = "default", body = Problem)),
)]
pub(crate) async fn publish(
    State(app): State<App>,
    caller: Caller,
    headers: HeaderMap,
    JsonBody(request): JsonBody<PublishRequest>,
) -> Result<Response, Failure> {
    let mut ids = EventIds::of(&headers, &caller.tenant)?;
    let durability = request.durability.unwrap_or_default();
    let event = event(request, &headers, &mut ids)?;
    let published = all(&app, &caller, vec![event], durability, &ids).await?;
    Ok(json(StatusCode::OK, &published[0]))
}

/// Publish an event of an aggregate
///
/// The stream is the aggregate's: its type in lower snake case, a dash, its id. Answers once the event is durable.
#[utoipa::path(
    post, path = "/api/v1/events", tag = "event service",
    params(("Idempotency-Key" = Option<String>, Header, description = "makes the event's id")),
    request_body = AggregateEvent,
    responses((status = 202, body = AcceptedEvent), (status = "default", body = Problem)),
)]
pub(crate) async fn accept(
    State(app): State<App>,
    caller: Caller,
    headers: HeaderMap,
    JsonBody(request): JsonBody<AggregateEvent>,
) -> Result<Response, Failure> {
    let mut ids = EventIds::of(&headers, &caller.tenant)?;
    let (stream, mut event) = request.into_event(ids.take(None)?)?;
    keep_trace(&headers, &mut event.metadata);
    let published = all(&app, &caller, vec![(stream, event)], Durability::Durable, &ids).await?;
    let Published { event_id, published_at: timestamp, .. } = published[0];
    Ok(json(StatusCode::ACCEPTED, &AcceptedEvent { event_id, timestamp, status: "accepted".into() }))
}

/// Publish several events, all or none
///
/// At most 500, in order. They may go to different streams.
#[utoipa::path(
    post, path = "/api/v1/events/publish/batch", tag = "event service",
    params(("Idempotency-Key" = Option<String>, Header, description = "makes the events' ids; instead of event_id")),
    request_body = PublishBatchRequest,
    responses((status = 200, body = PublishBatchReply), (status = "default", body = Problem)),
)]
pub(crate) async fn publish_batch(
    State(app): State<App>,
    caller: Caller,
    headers: HeaderMap,
    JsonBody(request): JsonBody<PublishBatchRequest>,
) -> Result<Response, Failure> {
    check_count(&app, request.events.len())?;
    let mut ids = EventIds::of(&headers, &caller.tenant)?;
    let relaxed = request.events.iter().all(|event| event.durability == Some(Durability::Relaxed));
    let durability = if relaxed { Durability::Relaxed } else { Durability::Durable };
    let events = request.events.into_iter().map(|one| event(one, &headers, &mut ids));
    let events = events.collect::<Result<_, _>>()?;
    let events = all(&app, &caller, events, durability, &ids).await?;
    Ok(json(StatusCode::OK, &PublishBatchReply { events }))
}

/// Refuses a batch that no store may take, before its events are made.
pub(crate) fn check_count(app: &App, count: usize) -> Result<(), Failure> {
    let most = app.config.max_events_per_batch.min(limits::BATCH_EVENTS);
    match count {
        0 => Err(Failure::field("events is empty: send at least one")),
        _ if count > most => {
            let detail =
                format!("the batch holds {count} events, this server takes at most {most}: split it");
            Err(Failure::new(Code::BatchTooLarge, detail))
        }
        _ => Ok(()),
    }
}

fn event(
    mut request: PublishRequest,
    headers: &HeaderMap,
    ids: &mut EventIds,
) -> Result<(StreamId, NewEvent), Failure> {
    let id = ids.take(request.event_id.take())?;
    let (stream, mut event) = request.into_event(|| id)?;
    keep_trace(headers, &mut event.metadata);
    Ok((stream, event))
}

/// Appends events to their streams, whatever version these are at, and answers where each is.
async fn all(
    app: &App,
    caller: &Caller,
    events: Vec<(StreamId, NewEvent)>,
    durability: Durability,
    ids: &EventIds,
) -> Result<Vec<Published>, Failure> {
    let streams: Vec<StreamId> = events.iter().map(|(stream, _)| stream.clone()).collect();
    // Neighbours of one stream share an append.
    let mut appends: Vec<StreamAppend> = Vec::new();
    for (stream, event) in events {
        match appends.last_mut() {
            Some(last) if last.stream == stream => last.events.push(event),
            _ => appends.push(StreamAppend { stream, expected: ExpectedVersion::Any, events: vec![event] }),
        }
    }
    let appended = write::append(app, caller, appends, durability.into(), ids).await?;
    let published = |(stream_id, place): (StreamId, &AppendedEvent)| Published {
        event_id: place.id,
        stream_id,
        published_at: place.recorded_at,
        version: place.version.get(),
        position: place.position.get(),
        durability: appended.durability.into(),
    };
    Ok(streams.into_iter().zip(&appended.events).map(published).collect())
}
