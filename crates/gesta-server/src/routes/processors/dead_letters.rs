//! What processors left out: seen, replayed, discarded.

use axum::{extract::RawQuery, http::StatusCode, response::Response};
use gesta_api::{
    DeadLetter, DeadLetterStatistics, DeadLetters, DeadLettersOfType, Envelope, ParkedReply, ParkedSelection,
    Problem,
};

use super::Here;
use crate::{
    auth::{Caller, Permission},
    extract::{JsonBody, json},
    problem::Failure,
    routes::parked::{counted, discarded, replayed},
};

/// List dead letters
///
/// The events that a processor left out after their last attempt, oldest first; the later ones of their streams wait
/// behind them. With `events=true`, which needs `stream:read` too, each with its event.
#[utoipa::path(
    get, path = "/api/v1/processors/{name}/dead-letters", tag = "processors",
    params(
        ("name" = String, Path, description = "the processor's name; `-projection` at its end may be left out"),
        ("events" = Option<bool>, Query, description = "whether to show the events themselves"),
    ),
    responses((status = 200, body = DeadLetters<'static>), (status = "default", body = Problem)),
)]
pub(crate) async fn list(
    Here { processors, info, caller }: Here,
    RawQuery(query): RawQuery,
) -> Result<Response, Failure> {
    let with_events = DeadLetters::with_events(query.as_deref().unwrap_or_default())?;
    if with_events {
        caller.need(Permission::StreamRead)?;
    }
    let letters = processors.dead_letters(&info.name).await?;
    let mut events = Vec::new();
    for letter in &letters {
        events.push(if with_events { processors.event_of(letter).await? } else { None });
    }
    let shown = letters.iter().zip(&events).map(|(letter, event)| DeadLetter {
        event: event.as_ref().map(Envelope::from),
        ..shown(letter, &caller)
    });
    Ok(json(StatusCode::OK, &DeadLetters { dead_letters: shown.collect() }))
}

fn shown(letter: &gesta::DeadLetter, caller: &Caller) -> DeadLetter<'static> {
    DeadLetter {
        event_id: letter.event_id,
        stream_id: letter.stream.to_string(),
        tenant: (letter.tenant != caller.tenant).then(|| letter.tenant.to_string()),
        version: letter.version.get(),
        position: letter.position.get(),
        event_type: letter.event_type.clone(),
        attempts: letter.attempts,
        reason: letter.reason.clone(),
        first_failed_at: letter.first_failed_at,
        last_failed_at: letter.last_failed_at,
        held: letter.held,
        decided: letter.decided,
        event: None,
    }
}

/// Count dead letters by type
///
/// How many events of which types a processor left out, how often they were tried, and since when.
#[utoipa::path(
    get, path = "/api/v1/processors/{name}/dead-letters/statistics", tag = "processors",
    params(("name" = String, Path, description = "the processor's name")),
    responses((status = 200, body = DeadLetterStatistics), (status = "default", body = Problem)),
)]
pub(crate) async fn statistics(Here { processors, info, .. }: Here) -> Result<Response, Failure> {
    let statistics = processors.dead_letter_statistics(&info.name).await?;
    let by_type = statistics.by_type.into_iter().map(|(event_type, counted)| DeadLettersOfType {
        event_type,
        count: counted.count,
        attempts: counted.attempts,
        first_failed_at: counted.first_failed_at,
        last_failed_at: counted.last_failed_at,
    });
    Ok(json(StatusCode::OK, &DeadLetterStatistics { count: statistics.count, by_type: by_type.collect() }))
}

/// Handle dead letters again
///
/// Each followed by the events that wait behind it, in order. The decision is recorded; the processor carries it out as
/// soon as it runs. One that fails again is a dead letter again.
#[utoipa::path(
    post, path = "/api/v1/processors/{name}/dead-letters/replay", tag = "processors",
    params(("name" = String, Path, description = "the processor's name")),
    request_body = ParkedSelection,
    responses((status = 200, body = ParkedReply), (status = "default", body = Problem)),
)]
pub(crate) async fn replay(
    Here { processors, info, .. }: Here,
    JsonBody(request): JsonBody<ParkedSelection>,
) -> Result<Response, Failure> {
    counted(processors.replay_dead_letters(&info.name, replayed(request)?).await?)
}

/// Give dead letters up
///
/// They count as handled; the events that wait behind them are handled. They stay in the log, and so does the reason.
#[utoipa::path(
    post, path = "/api/v1/processors/{name}/dead-letters/discard", tag = "processors",
    params(("name" = String, Path, description = "the processor's name")),
    request_body = ParkedSelection,
    responses((status = 200, body = ParkedReply), (status = "default", body = Problem)),
)]
pub(crate) async fn discard(
    Here { processors, info, .. }: Here,
    JsonBody(request): JsonBody<ParkedSelection>,
) -> Result<Response, Failure> {
    let (selection, reason) = discarded(request)?;
    counted(processors.discard_dead_letters(&info.name, selection, Some(reason)).await?)
}
