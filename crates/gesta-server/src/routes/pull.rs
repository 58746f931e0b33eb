//! Consuming from a group.

use std::time::Duration;

use axum::{
    extract::RawQuery,
    http::{HeaderMap, StatusCode},
    response::Response,
};
use gesta::{DeliveryId, GroupError, Nack, Pull};
use gesta_api::{AckReply, AckRequest, Deliveries, NackReply, NackRequest, Problem, PullRequest};

use super::group::Named;
use crate::{
    extract::{JsonBody, json},
    problem::Failure,
    sse::{self, delivered},
};

/// Most deliveries of one request.
const MOST: usize = 500;

/// Longest wait of a pull.
const LONGEST: Duration = Duration::from_secs(60);

/// Pull deliveries
///
/// Waits for the first one, at most as long as asked. Each is leased to the consumer until it is acknowledged, given
/// back, or the lease ends; with `auto_ack` it is settled once handed over.
#[utoipa::path(
    post, path = "/api/v1/groups/{group}/pull", tag = "groups",
    params(("group" = String, Path, description = "the group's name")),
    request_body = PullRequest,
    responses((status = 200, body = Deliveries<'static>), (status = "default", body = Problem)),
)]
pub(crate) async fn pull(
    Named { app, tenant, name }: Named,
    JsonBody(request): JsonBody<PullRequest>,
) -> Result<Response, Failure> {
    check_consumer(&request.consumer)?;
    let known = app.subscriptions.of(&app.groups, &tenant, &name).await?;
    let settings = known.of(&request.consumer);
    let max = request.max.unwrap_or(settings.batch_size) as usize;
    let wait = request.wait_ms.map_or_else(|| settings.wait(), Duration::from_millis);
    check_pull(max, wait)?;
    let pull = Pull { consumer: request.consumer, max, wait };
    let deliveries = tokio::select! {
        biased;
        deliveries = app.groups.pull(&tenant, &name, pull) => deliveries?,
        // Long polls must not hold up the stop of a server.
        () = app.stop.cancelled() => Vec::new(),
    };
    if known.auto_ack {
        app.count_consumed(&tenant, deliveries.len());
    }
    let deliveries = deliveries
        .iter()
        .map(|of| delivered(of.id.as_str(), of.delivery_count, &of.event, &settings.label))
        .collect();
    Ok(json(StatusCode::OK, &Deliveries { deliveries }))
}

/// Refuses what no pull may ask.
pub(crate) fn check_pull(max: usize, wait: Duration) -> Result<(), Failure> {
    if !(1..=MOST).contains(&max) {
        return Err(Failure::field(format!("{max} deliveries at once: ask for 1 to {MOST}")));
    }
    if wait > LONGEST {
        return Err(Failure::field(format!("a wait of {wait:?}: ask for at most {LONGEST:?}")));
    }
    Ok(())
}

/// Refuses a name that no member can have.
pub(crate) fn check_consumer(name: &str) -> Result<(), Failure> {
    if (1..=256).contains(&name.len()) && !name.chars().any(char::is_control) {
        return Ok(());
    }
    Err(Failure::field("the consumer's name must hold 1 to 256 bytes without control characters"))
}

/// Acknowledge deliveries
///
/// They were handled and will not come again. A delivery whose lease is over is a 409; the others count.
#[utoipa::path(
    post, path = "/api/v1/groups/{group}/ack", tag = "groups",
    params(("group" = String, Path, description = "the group's name")),
    request_body = AckRequest,
    responses(
        (status = 200, body = AckReply),
        (status = 409, body = Problem, description = "a delivery is no longer the consumer's"),
        (status = "default", body = Problem),
    ),
)]
pub(crate) async fn ack(
    Named { app, tenant, name }: Named,
    JsonBody(request): JsonBody<AckRequest>,
) -> Result<Response, Failure> {
    check_ids(&request.delivery_ids)?;
    let deliveries = ids(&request.delivery_ids);
    let acked = app.groups.ack(&tenant, &name, &deliveries).await.inspect_err(|error| {
        if let GroupError::LeaseLost { counted, .. } = error {
            app.count_consumed(&tenant, *counted);
        }
    })?;
    app.replays.settle(&tenant, &name, &request.delivery_ids);
    app.count_consumed(&tenant, acked);
    Ok(json(StatusCode::OK, &AckReply { acked }))
}

/// Give deliveries back
///
/// They were not handled: they come again after the group's delay, or are parked, at once with `park` or after the
/// last attempt.
#[utoipa::path(
    post, path = "/api/v1/groups/{group}/nack", tag = "groups",
    params(("group" = String, Path, description = "the group's name")),
    request_body = NackRequest,
    responses(
        (status = 200, body = NackReply),
        (status = 409, body = Problem, description = "a delivery is no longer the consumer's"),
        (status = "default", body = Problem),
    ),
)]
pub(crate) async fn nack(
    Named { app, tenant, name }: Named,
    JsonBody(request): JsonBody<NackRequest>,
) -> Result<Response, Failure> {
    check_ids(&request.delivery_ids)?;
    if request.reason.as_ref().is_some_and(|reason| reason.len() > 4096) {
        return Err(Failure::field("the reason holds more than 4096 bytes: shorten it"));
    }
    let park = request.park.unwrap_or(false);
    let nack = Nack { deliveries: ids(&request.delivery_ids), reason: request.reason, park };
    let nacked = app.groups.nack(&tenant, &name, nack).await?;
    app.replays.settle(&tenant, &name, &request.delivery_ids);
    app.counters.of(&tenant).failed.add(nacked);
    app.telemetry.consume_failed(nacked);
    Ok(json(StatusCode::OK, &NackReply { nacked }))
}

fn check_ids(given: &[String]) -> Result<(), Failure> {
    if (1..=MOST).contains(&given.len()) {
        return Ok(());
    }
    Err(Failure::field(format!("{} delivery_ids: send 1 to {MOST}", given.len())))
}

fn ids(given: &[String]) -> Vec<DeliveryId> {
    given.iter().map(|id| DeliveryId::from(id.as_str())).collect()
}

/// Follow a group
///
/// Server-sent events, one for each delivery; acknowledge as after a pull. The group knows where it stands;
/// `Last-Event-ID`, a delivery id, brings again what was sent behind it and perhaps not received.
#[utoipa::path(
    get, path = "/api/v1/groups/{group}/stream", tag = "groups",
    params(
        ("group" = String, Path, description = "the group's name"),
        ("consumer" = Option<String>, Query, description = "the member; default-consumer when absent"),
        ("Last-Event-ID" = Option<String>, Header, description = "the last delivery received"),
    ),
    responses((status = 200, content_type = "text/event-stream", body = String), (status = "default", body = Problem)),
)]
pub(crate) async fn follow(
    Named { app, tenant, name }: Named,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Result<Response, Failure> {
    let consumer = gesta_api::consumer_of(query.as_deref().unwrap_or_default())?;
    check_consumer(&consumer)?;
    let known = app.subscriptions.of(&app.groups, &tenant, &name).await?;
    if app.is_shared {
        // Whether it runs here is settled before the reply begins.
        app.groups.attend(&tenant, &name).await?;
    }
    sse::deliveries(&app, (tenant, name), known.of(&consumer), known.auto_ack, &headers).await
}
