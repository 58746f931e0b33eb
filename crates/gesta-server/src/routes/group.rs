//! Groups themselves.

use std::{sync::Arc, time::Duration};

use axum::{
    Extension,
    extract::{FromRequestParts, State},
    http::{HeaderMap, StatusCode, request::Parts},
    response::{IntoResponse, Response},
};
use futures_util::StreamExt;
use gesta::{GroupDefinition, GroupError, GroupInfo, GroupStatistics, Start};
use gesta_api::{Code, Group, GroupCounts, GroupMember, GroupRequest, GroupStart, Groups, Problem};
use gesta_core::{CheckpointKey, Holder, Position, Tenant};

use super::millis;
use crate::{
    app::App,
    auth::Caller,
    extract::{JsonBody, PathText, json},
    forward::Forwarder,
    problem::{Failure, Whose},
};

/// The group that the path names, of the caller's tenant.
pub(crate) struct Named {
    pub(crate) app: App,
    pub(crate) tenant: Tenant,
    pub(crate) name: String,
}

impl FromRequestParts<App> for Named {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Failure> {
        let PathText(name) = PathText::from_request_parts(parts, app).await?;
        let caller = <Caller as FromRequestParts<App>>::from_request_parts(parts, app).await?;
        Ok(Self { app: app.clone(), tenant: caller.tenant, name })
    }
}

/// How many owners are asked at once.
const AT_ONCE: usize = 8;

/// List groups
#[utoipa::path(
    get, path = "/api/v1/groups", tag = "groups",
    responses((status = 200, body = Groups), (status = "default", body = Problem)),
)]
pub(crate) async fn list(
    State(app): State<App>,
    forwarder: Option<Extension<Arc<Forwarder>>>,
    headers: HeaderMap,
    caller: Caller,
) -> Result<Response, Failure> {
    let infos = app.groups.list(&caller.tenant).await?;
    let groups = match forwarder {
        None => infos.into_iter().map(shown).collect(),
        Some(Extension(forwarder)) => {
            let (app, tenant, forwarder) = (&app, &caller.tenant, &forwarder);
            let looks =
                infos.into_iter().map(|info| shown_by_owner(app, tenant, forwarder, headers.clone(), info));
            futures_util::stream::iter(looks).buffered(AT_ONCE).collect().await
        }
    };
    Ok(json(StatusCode::OK, &Groups { groups }))
}

/// A group as its owner knows it; as it was last saved when that does not answer.
async fn shown_by_owner(
    app: &App,
    tenant: &Tenant,
    forwarder: &Forwarder,
    headers: HeaderMap,
    info: GroupInfo,
) -> Group {
    let owner = match elsewhere(app, tenant, &info.name).await {
        Ok(Some(Whose::Held { owner, .. })) => owner,
        _ => return shown(info),
    };
    let path = format!("/api/v1/groups/{}", info.name);
    let told = forwarder.shown_by(&owner, headers, &path).await;
    told.and_then(|body| serde_json::from_slice(&body).ok()).unwrap_or_else(|| shown(info))
}

/// Make a group
///
/// The same request again answers the same. A group may be made before the first event it takes.
#[utoipa::path(
    post, path = "/api/v1/groups", tag = "groups",
    request_body = GroupRequest,
    responses(
        (status = 200, body = Group),
        (status = 409, body = Problem, description = "the group exists with another definition"),
        (status = "default", body = Problem),
    ),
)]
pub(crate) async fn create(
    State(app): State<App>,
    caller: Caller,
    JsonBody(request): JsonBody<GroupRequest>,
) -> Result<Response, Failure> {
    let name = request.name.clone();
    let definition = definition(request, &caller.tenant)?;
    let info = app.groups.create(&caller.tenant, &name, definition).await?;
    Ok(json(StatusCode::OK, &shown(info)))
}

fn definition(request: GroupRequest, tenant: &Tenant) -> Result<GroupDefinition, Failure> {
    let usual = GroupDefinition::default();
    Ok(GroupDefinition {
        filter: request.filter.unwrap_or_default().into_filter(tenant.clone())?,
        start: request.start.map_or(usual.start, start),
        retry_delays: request
            .retry_delays_ms
            .map_or(usual.retry_delays, |delays| delays.into_iter().map(Duration::from_millis).collect()),
        lease: request.lease_ms.map_or(usual.lease, Duration::from_millis),
        auto_ack: request.auto_ack.unwrap_or(usual.auto_ack),
        max_in_flight: request.max_in_flight.map_or(usual.max_in_flight, |most| most as usize),
    })
}

fn start(asked: GroupStart) -> Start {
    match asked {
        GroupStart::Beginning => Start::Beginning,
        GroupStart::Head => Start::Head,
        GroupStart::AfterPosition(position) => Start::After(Position::new(position)),
    }
}

/// Show a group
#[utoipa::path(
    get, path = "/api/v1/groups/{group}", tag = "groups",
    params(("group" = String, Path, description = "the group's name")),
    responses((status = 200, body = Group), (status = "default", body = Problem)),
)]
pub(crate) async fn show(Named { app, tenant, name }: Named) -> Result<Response, Failure> {
    let info = app.groups.info(&tenant, &name).await.map_err(in_path)?;
    if let Some(whose) = elsewhere(&app, &tenant, &name).await? {
        return Err(Failure::new(Code::GroupBusy, "the group runs in another process").belonging(whose));
    }
    Ok(json(StatusCode::OK, &shown(info)))
}

/// Remove a group
///
/// With all that it remembers. A new group of its name begins anew.
#[utoipa::path(
    delete, path = "/api/v1/groups/{group}", tag = "groups",
    params(("group" = String, Path, description = "the group's name")),
    responses((status = 204, description = "it is gone"), (status = "default", body = Problem)),
)]
pub(crate) async fn remove(Named { app, tenant, name }: Named) -> Result<Response, Failure> {
    app.groups.remove(&tenant, &name).await.map_err(in_path)?;
    app.subscriptions.remove(&tenant, &name).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// The other process that runs a group, if one does. A store that is not shared is not asked.
pub(crate) async fn elsewhere(app: &App, tenant: &Tenant, name: &str) -> Result<Option<Whose>, Failure> {
    if !app.is_shared {
        return Ok(None);
    }
    let held = app.groups.elsewhere(tenant, name).await?;
    let key = CheckpointKey::new(tenant.clone(), format!("group/{name}"));
    Ok(held.map(|Holder { owner, remaining }| Whose::Held { key, owner, remaining }))
}

/// A name that no group can have is, in a path, a group that is not there.
pub(crate) fn in_path(error: GroupError) -> Failure {
    match error {
        GroupError::IllegalName { name } => GroupError::NotFound { name }.into(),
        other => other.into(),
    }
}

fn shown(info: GroupInfo) -> Group {
    let definition = info.definition;
    Group {
        name: info.name,
        filter: (&definition.filter).into(),
        auto_ack: definition.auto_ack,
        retry_delays_ms: definition.retry_delays.into_iter().map(millis).collect(),
        lease_ms: millis(definition.lease),
        max_in_flight: definition.max_in_flight as u64,
        consumers: info.consumers.into_iter().map(member).collect(),
        position: info.position.get(),
        head: info.head.get(),
        lag: info.lag,
        in_flight: info.in_flight as u64,
        parked: info.parked as u64,
        counts: counts(info.statistics),
    }
}

fn member(consumer: gesta::GroupConsumer) -> GroupMember {
    GroupMember { name: consumer.name, in_flight: consumer.in_flight as u64, last_seen: consumer.last_seen }
}

fn counts(statistics: GroupStatistics) -> GroupCounts {
    let GroupStatistics { delivered, acked, nacked, parked, expired, since } = statistics;
    GroupCounts { delivered, acked, nacked, parked, expired, since }
}
