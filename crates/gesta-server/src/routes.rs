//! The routes, a file for each resource.

use std::time::Duration;

use axum::middleware::from_fn;
use gesta_api::Problem;
use utoipa::{
    Modify, OpenApi,
    openapi::{
        Info, License, OpenApiBuilder,
        security::{Http, HttpAuthScheme, SecurityScheme},
    },
};
use utoipa_axum::{
    router::{UtoipaMethodRouter, UtoipaMethodRouterExt},
    routes,
};

use crate::{
    app::App,
    auth::{Access::Needs, Declared, Guarded, Permission as May},
    forward,
};

pub(crate) mod aggregates;
pub(crate) mod append;
pub(crate) mod batch;
pub(crate) mod event;
pub(crate) mod group;
pub(crate) mod headers;
pub(crate) mod info;
pub(crate) mod log;
pub(crate) mod parked;
pub(crate) mod processors;
pub(crate) mod publish;
pub(crate) mod pull;
pub(crate) mod stats;
pub(crate) mod stream;
pub(crate) mod streams;
pub(crate) mod subscribe;
pub(crate) mod types;
pub(crate) mod write;

/// A time as replies tell it.
fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Every route with what it asks of its caller.
pub fn declared() -> Vec<Declared> {
    all().declared().to_vec()
}

/// The document of every route: OpenAPI 3.1.
pub fn document() -> utoipa::openapi::OpenApi {
    all().document().clone()
}

#[derive(OpenApi)]
#[openapi(components(schemas(Problem)), modifiers(&Bearer), security((), ("key" = [])))]
struct Shared;

/// Says how keys are sent; a server without keys asks for none.
struct Bearer;

impl Modify for Bearer {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let scheme = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
        document.components.get_or_insert_default().add_security_scheme("key", scheme);
    }
}

pub(crate) fn all() -> Guarded<App> {
    let mut info = Info::new("Gesta", env!("CARGO_PKG_VERSION"));
    info.description = Some("An event service and event store on one durable log.".into());
    info.license = Some(License::new("MIT OR Apache-2.0"));
    let document = OpenApiBuilder::from(Shared::openapi()).info(info).build();
    Guarded::new(document)
        .merge(about())
        .merge(event_service())
        .merge(event_store())
        .merge(groups())
        .merge(processors())
        .merge(aggregates())
}

/// Routes about what runs in one process at a time: asked at another one, they answer with what the owner answers.
fn owned(routes: UtoipaMethodRouter<App>) -> UtoipaMethodRouter<App> {
    routes.layer(from_fn(forward::to_owner))
}

fn empty() -> Guarded<App> {
    Guarded::new(utoipa::openapi::OpenApi::default())
}

fn about() -> Guarded<App> {
    empty()
        .always(routes!(info::root))
        .always(routes!(info::health))
        .always(routes!(info::live))
        .always(routes!(info::ready))
        .always(routes!(info::openapi))
        .always(routes!(info::error_page))
        .routes(Needs(May::MetricsRead), routes!(info::metrics))
        .routes(Needs(May::MetricsRead), routes!(stats::stats))
        .routes(Needs(May::MetricsRead), routes!(stats::service_stats))
        .routes(Needs(May::MetricsRead), routes!(stats::breakers))
        .routes(Needs(May::StreamReadMetadata), routes!(stats::recent))
}

/// The routes of the further listener: how the server fares.
pub(crate) fn watched() -> Guarded<App> {
    empty()
        .always(routes!(info::health))
        .always(routes!(info::live))
        .always(routes!(info::ready))
        .routes(Needs(May::MetricsRead), routes!(info::metrics))
}

fn event_service() -> Guarded<App> {
    empty()
        .routes(Needs(May::StreamAppend), routes!(publish::publish))
        .routes(Needs(May::StreamAppend), routes!(publish::publish_batch))
        .routes(Needs(May::StreamAppend), routes!(publish::accept))
        .routes(Needs(May::GroupManage), routes!(subscribe::subscribe))
        .routes(Needs(May::StreamReadMetadata), routes!(types::list))
}

fn event_store() -> Guarded<App> {
    empty()
        .routes(Needs(May::StreamReadMetadata), routes!(streams::list))
        .routes(Needs(May::StreamRead), routes!(stream::read))
        .routes(Needs(May::StreamAppend), routes!(append::append))
        .routes(Needs(May::StreamReadMetadata), routes!(stream::head))
        .routes(Needs(May::StreamRead), routes!(stream::follow))
        .routes(Needs(May::StreamAppend), routes!(batch::append))
        .routes(Needs(May::LogReadAll), routes!(log::read))
        .routes(Needs(May::LogReadAll), routes!(log::follow))
        .routes(Needs(May::StreamReadMetadata), routes!(log::head))
        .routes(Needs(May::StreamRead), routes!(event::read))
}

fn groups() -> Guarded<App> {
    empty()
        .routes(Needs(May::GroupManage), routes!(group::list))
        .routes(Needs(May::GroupManage), routes!(group::create))
        .routes(Needs(May::GroupManage), owned(routes!(group::show)))
        .routes(Needs(May::GroupManage), owned(routes!(group::remove)))
        .routes(Needs(May::GroupConsume), owned(routes!(pull::pull)))
        .routes(Needs(May::GroupConsume), owned(routes!(pull::ack)))
        .routes(Needs(May::GroupConsume), owned(routes!(pull::nack)))
        .routes(Needs(May::GroupConsume), owned(routes!(pull::follow)))
        .routes(Needs(May::DeadLetterRead), owned(routes!(parked::list)))
        .routes(Needs(May::DeadLetterReplay), owned(routes!(parked::replay)))
        .routes(Needs(May::DeadLetterDiscard), owned(routes!(parked::discard)))
}

fn processors() -> Guarded<App> {
    empty()
        .routes(Needs(May::ProcessorRead), routes!(processors::list))
        .routes(Needs(May::ProcessorRead), routes!(processors::show))
        .routes(Needs(May::ProcessorManage), owned(routes!(processors::pause)))
        .routes(Needs(May::ProcessorManage), owned(routes!(processors::resume)))
        .routes(Needs(May::ProcessorManage), owned(routes!(processors::reset)))
        .routes(Needs(May::ProcessorManage), owned(routes!(processors::rebuild)))
        .routes(Needs(May::ProcessorManage), owned(routes!(processors::cancel_rebuild)))
        .routes(Needs(May::ProcessorManage), owned(routes!(processors::swap_back)))
        .routes(Needs(May::DeadLetterRead), owned(routes!(processors::dead_letters::list)))
        .routes(Needs(May::DeadLetterRead), owned(routes!(processors::dead_letters::statistics)))
        .routes(Needs(May::DeadLetterReplay), owned(routes!(processors::dead_letters::replay)))
        .routes(Needs(May::DeadLetterDiscard), owned(routes!(processors::dead_letters::discard)))
}

fn aggregates() -> Guarded<App> {
    empty()
        .routes(Needs(May::StreamReadMetadata), routes!(aggregates::list))
        .routes(Needs(May::StreamRead), routes!(aggregates::state))
        .routes(Needs(May::StreamRead), routes!(aggregates::diff))
        .routes(Needs(May::StreamRead), routes!(aggregates::history))
}
