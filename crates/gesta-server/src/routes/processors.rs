//! Processors of the program that the server is part of: how they fare, and what an operator tells them.

use std::{future::Future, sync::Arc};

use axum::{
    extract::{FromRequestParts, State},
    http::{StatusCode, request::Parts},
    response::Response,
};
use gesta::{ProcessorInfo, ProcessorsError};
use gesta_api::{Code, Problem, Processor, Processors};
use gesta_core::Holder;

use crate::{
    app::App,
    auth::Caller,
    extract::{PathText, json},
    problem::{Failure, Whose},
};

pub(crate) mod dead_letters;
mod shown;

use shown::shown;

/// List processors
///
/// Those that handle the events of the caller's tenant, and with `tenant:admin` those that handle the events of all.
#[utoipa::path(
    get, path = "/api/v1/processors", tag = "processors",
    responses((status = 200, body = Processors), (status = "default", body = Problem)),
)]
pub(crate) async fn list(State(app): State<App>, caller: Caller) -> Response {
    let all = app.added.processors.as_ref().map(|processors| processors.list()).unwrap_or_default();
    let processors = all.into_iter().filter(|info| is_visible(&caller, info)).map(shown).collect();
    json(StatusCode::OK, &Processors { processors })
}

/// Show a processor
///
/// How far it is, what went wrong, and how a rebuild goes on.
#[utoipa::path(
    get, path = "/api/v1/processors/{name}", tag = "processors",
    params(("name" = String, Path, description = "the processor's name; `-projection` at its end may be left out")),
    responses((status = 200, body = Processor), (status = "default", body = Problem)),
)]
pub(crate) async fn show(
    State(app): State<App>,
    caller: Caller,
    PathText(name): PathText,
) -> Result<Response, Failure> {
    let (_, info) = find(&app, &caller, &name)?;
    Ok(json(StatusCode::OK, &shown(info)))
}

/// Pause a processor
///
/// It finishes its batch and waits until it is resumed, also after a restart. What it maintains stays as it is.
#[utoipa::path(
    post, path = "/api/v1/processors/{name}/pause", tag = "processors",
    params(("name" = String, Path, description = "the processor's name")),
    responses((status = 200, body = Processor), (status = "default", body = Problem)),
)]
pub(crate) async fn pause(here: Here) -> Result<Response, Failure> {
    here.tell(|all, name| async move { all.pause(&name).await }).await
}

/// Let a processor go on
///
/// After a pause, or after it has stopped with an error.
#[utoipa::path(
    post, path = "/api/v1/processors/{name}/resume", tag = "processors",
    params(("name" = String, Path, description = "the processor's name")),
    responses((status = 200, body = Processor), (status = "default", body = Problem)),
)]
pub(crate) async fn resume(here: Here) -> Result<Response, Failure> {
    here.tell(|all, name| async move { all.resume(&name).await }).await
}

/// Begin a processor at the start of the log
///
/// A read model is empty at once and fills up under the eyes of its readers; a handler gets every event once more. A
/// rebuild is the way without downtime.
#[utoipa::path(
    post, path = "/api/v1/processors/{name}/reset", tag = "processors",
    params(("name" = String, Path, description = "the processor's name")),
    responses((status = 200, body = Processor), (status = "default", body = Problem)),
)]
pub(crate) async fn reset(here: Here) -> Result<Response, Failure> {
    here.tell(|all, name| async move { all.reset(&name).await }).await
}

/// Build a read model anew
///
/// Beside the one at work, which answers queries meanwhile, and put in its place once it has caught up. Answers as
/// soon as the rebuild has begun.
#[utoipa::path(
    post, path = "/api/v1/processors/{name}/rebuild", tag = "processors",
    params(("name" = String, Path, description = "the projection's name")),
    responses(
        (status = 200, body = Processor),
        (status = 409, body = Problem, description = "a rebuild is running already"),
        (status = "default", body = Problem),
    ),
)]
pub(crate) async fn rebuild(here: Here) -> Result<Response, Failure> {
    here.tell(|all, name| async move { all.rebuild(&name).await }).await
}

/// Give up a rebuild
///
/// The generation at work stays, and what was built is dropped. A swap back that still catches up is given up, too, and
/// can be told again.
#[utoipa::path(
    post, path = "/api/v1/processors/{name}/cancel-rebuild", tag = "processors",
    params(("name" = String, Path, description = "the projection's name")),
    responses(
        (status = 200, body = Processor),
        (status = 409, body = Problem, description = "no rebuild is running"),
        (status = "default", body = Problem),
    ),
)]
pub(crate) async fn cancel_rebuild(here: Here) -> Result<Response, Failure> {
    here.tell(|all, name| async move { all.cancel_rebuild(&name).await }).await
}

/// Put the former generation of a read model back
///
/// The one before the last rebuild, once it has caught up.
#[utoipa::path(
    post, path = "/api/v1/processors/{name}/swap-back", tag = "processors",
    params(("name" = String, Path, description = "the projection's name")),
    responses(
        (status = 200, body = Processor),
        (status = 409, body = Problem, description = "there is none, or a rebuild is running"),
        (status = "default", body = Problem),
    ),
)]
pub(crate) async fn swap_back(here: Here) -> Result<Response, Failure> {
    here.tell(|all, name| async move { all.swap_back(&name).await }).await
}

/// A processor that the path names, that is the caller's to see, and that no other process runs: who can answer instead
/// goes with the refusal.
pub(crate) struct Here {
    processors: Arc<gesta::Processors>,
    info: ProcessorInfo,
    caller: Caller,
}

impl FromRequestParts<App> for Here {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Failure> {
        let PathText(name) = PathText::from_request_parts(parts, app).await?;
        let caller = <Caller as FromRequestParts<App>>::from_request_parts(parts, app).await?;
        let (processors, info) = find(app, &caller, &name)?;
        if let Some(whose) = elsewhere(app, &processors, &info.name).await? {
            let detail = format!("{} runs in another process", info.name);
            return Err(Failure::new(Code::OwnerUnreachable, detail).belonging(whose));
        }
        Ok(Self { processors, info, caller })
    }
}

impl Here {
    /// Tells it something, in a task of its own: a client that goes away in the middle leaves nothing half done.
    async fn tell<F>(
        self,
        what: impl FnOnce(Arc<gesta::Processors>, String) -> F,
    ) -> Result<Response, Failure>
    where
        F: Future<Output = Result<ProcessorInfo, ProcessorsError>> + Send + 'static,
    {
        let told = tokio::spawn(what(self.processors, self.info.name)).await;
        let bug = |_| Failure::new(Code::Internal, "the server has a bug here, which it has logged");
        Ok(json(StatusCode::OK, &shown(told.map_err(bug)??)))
    }
}

/// Who is to be told instead, on a store that several processes share.
async fn elsewhere(
    app: &App,
    processors: &gesta::Processors,
    name: &str,
) -> Result<Option<Whose>, ProcessorsError> {
    if !app.is_shared {
        return Ok(None);
    }
    Ok(match processors.elsewhere(name).await? {
        Some((key, Holder { owner, remaining })) => Some(Whose::Held { key, owner, remaining }),
        None if !app.config.roles.processors => Some(Whose::Nobodys),
        None => None,
    })
}

/// A processor of the caller's tenant, or of all tenants for who may act on them. Any other is not there.
fn find(app: &App, caller: &Caller, name: &str) -> Result<(Arc<gesta::Processors>, ProcessorInfo), Failure> {
    let Some(processors) = &app.added.processors else {
        let detail = "this server runs no processors: ask the one that runs the application they belong to";
        return Err(Failure::new(Code::ProcessorNotFound, detail));
    };
    let found = processors.get(name).ok().filter(|info| is_visible(caller, info));
    let missing = || {
        let name: String = name.chars().take(100).collect();
        let detail =
            format!("no processor is called {name} here: GET /api/v1/processors lists those that run");
        Failure::new(Code::ProcessorNotFound, detail)
    };
    Ok((Arc::clone(processors), found.ok_or_else(missing)?))
}

fn is_visible(caller: &Caller, info: &ProcessorInfo) -> bool {
    match &info.tenant {
        Some(tenant) => *tenant == caller.tenant,
        None => caller.spans_tenants(),
    }
}
