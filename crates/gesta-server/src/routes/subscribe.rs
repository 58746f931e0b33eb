//! The event service's way to make or join a group.

use std::time::Duration;

use axum::{extract::State, http::StatusCode, response::Response};
use gesta::{GroupDefinition, GroupError, Start};
use gesta_api::{Code, Problem, SubscribeRequest, Subscribed};

use super::pull::{check_consumer, check_pull};
use crate::{
    app::App,
    auth::Caller,
    extract::{JsonBody, json},
    problem::Failure,
    subscriptions::Settings,
};

/// Subscribe
///
/// Makes the group, or joins the one of this name if it takes the same events. Pull from it, or follow it. The
/// `batch_size`, `timeout_ms` and `name` are the consumer's own and may be changed by subscribing again.
#[utoipa::path(
    post, path = "/api/v1/events/subscribe", tag = "event service",
    request_body = SubscribeRequest,
    responses(
        (status = 200, body = Subscribed),
        (status = 409, body = Problem, description = "the group exists with another filter"),
        (status = "default", body = Problem),
    ),
)]
pub(crate) async fn subscribe(
    State(app): State<App>,
    caller: Caller,
    JsonBody(request): JsonBody<SubscribeRequest>,
) -> Result<Response, Failure> {
    if request.callback_url.is_some() {
        return Err(Failure::new(
            Code::Unsupported,
            "callback_url is not offered: pull, or follow the group's stream",
        ));
    }
    let settings = settings(&request)?;
    let group = request.consumer_group.clone().unwrap_or_else(|| "default-group".into());
    let definition = definition(&request, &caller)?;
    join(&app, &caller, &group, definition).await?;
    app.subscriptions.put(&app.groups, &caller.tenant, &group, settings.clone()).await?;
    let reply = Subscribed {
        status: "subscribed".into(),
        subscription_name: settings.label,
        event_types: request.patterns(),
        group,
    };
    Ok(json(StatusCode::OK, &reply))
}

fn settings(request: &SubscribeRequest) -> Result<Settings, Failure> {
    let usual = Settings::of(request.consumer_name.as_deref().unwrap_or("default-consumer"));
    let settings = Settings {
        label: request.name.clone().unwrap_or(usual.label),
        batch_size: request.batch_size.unwrap_or(usual.batch_size),
        timeout_ms: request.timeout_ms.unwrap_or(usual.timeout_ms),
        consumer: usual.consumer,
    };
    check_consumer(&settings.consumer)?;
    if settings.label.len() > 256 {
        return Err(Failure::field("the name holds more than 256 bytes: shorten it"));
    }
    check_pull(settings.batch_size as usize, Duration::from_millis(settings.timeout_ms))?;
    Ok(settings)
}

fn definition(request: &SubscribeRequest, caller: &Caller) -> Result<GroupDefinition, Failure> {
    Ok(GroupDefinition {
        start: if request.read_latest.unwrap_or(true) { Start::Head } else { Start::Beginning },
        auto_ack: request.auto_ack.unwrap_or(true),
        ..GroupDefinition::of(request.filter().into_filter(caller.tenant.clone())?)
    })
}

/// Where a group starts matters to a new one only, so it does not tell two definitions apart here.
async fn join(app: &App, caller: &Caller, group: &str, wanted: GroupDefinition) -> Result<(), Failure> {
    match app.groups.create(&caller.tenant, group, wanted.clone()).await {
        Err(GroupError::Exists { name }) => {
            let existing = app.groups.info(&caller.tenant, group).await?.definition;
            let taken = |filter| app.store.understood(filter).sorted_types();
            if taken(existing.filter) == taken(wanted.filter) && existing.auto_ack == wanted.auto_ack {
                return Ok(());
            }
            Err(GroupError::Exists { name }.into())
        }
        other => Ok(other.map(drop)?),
    }
}
