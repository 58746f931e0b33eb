//! What a request passes before its handler sees it, in this order: who asks, whether they may, whether there is
//! room, and the whole body within its limits.

use std::{
    panic::AssertUnwindSafe,
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use futures_util::FutureExt;
use gesta_api::Code;

use crate::{
    auth::{Access, Authority, Caller, Denied},
    config::Config,
    intake::Intake,
    problem::Failure,
    quota::Quota,
};

/// How a request gets to its handler.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Passage {
    /// Within all limits, if its caller may.
    Limited(Access),
    /// Whatever the server works on: who asks how it fares must hear it.
    Always,
}

/// What all guarded routes of a server pass through.
pub(crate) struct Gate {
    authority: Arc<Authority>,
    quota: Arc<Quota>,
    intake: Intake,
    reply_timeout: Duration,
}

impl Gate {
    /// A gate of these keys and limits.
    pub(crate) fn new(authority: Arc<Authority>, quota: Arc<Quota>, config: &Config) -> Arc<Self> {
        let intake = Intake::new(config, Arc::clone(&quota));
        Arc::new(Self { authority, quota, intake, reply_timeout: config.reply_timeout })
    }

    /// Runs what is behind a route.
    pub(crate) async fn pass(&self, passage: Passage, request: Request, next: Next) -> Response {
        let Passage::Limited(access) = passage else { return self.answer(request, next).await };
        match (access, self.authority.identify(&request)) {
            (Access::Open, Err(denied @ Denied::ForeignHost)) | (Access::Needs(_), Err(denied)) => {
                denied.into_response()
            }
            (Access::Open, _) => self.admit(request, next).await.into_response(),
            (Access::Needs(permission), Ok(caller)) => {
                let mut response = match caller.need(permission) {
                    Ok(()) => self.admit_caller(&caller, request, next).await.into_response(),
                    Err(denied) => denied.into_response(),
                };
                // The request log tells who asked.
                response.extensions_mut().insert(caller);
                response
            }
        }
    }

    /// Runs what is behind a route for a caller who may, if the tenant has not asked too often.
    async fn admit_caller(
        &self,
        caller: &Caller,
        mut request: Request,
        next: Next,
    ) -> Result<Response, Failure> {
        self.quota.rate(&caller.tenant, Instant::now())?;
        request.extensions_mut().insert(caller.clone());
        self.admit(request, next).await
    }

    /// Runs what is behind a route if there is room for the request, and for its body.
    async fn admit(&self, request: Request, next: Next) -> Result<Response, Failure> {
        let _in_flight = self.quota.request()?;
        let (request, _room) = self.intake.receive(request).await?;
        Ok(self.answer(request, next).await)
    }

    /// A handler that takes too long is given up; what it began may still take effect. One that panics has a bug,
    /// which costs this reply and nothing else.
    async fn answer(&self, request: Request, next: Next) -> Response {
        let handled = AssertUnwindSafe(next.run(request)).catch_unwind();
        match tokio::time::timeout(self.reply_timeout, handled).await {
            Ok(Ok(response)) => response,
            Ok(Err(_)) => {
                let detail = "the server has a bug here, which it has logged: report it with the request id";
                Failure::new(Code::Internal, detail).into_response()
            }
            Err(_) => {
                let detail = "the reply took too long; send the same request with the same ids again";
                Failure::new(Code::OutcomeUnknown, detail).into_response()
            }
        }
    }
}

/// Runs what is behind a guarded route. Without a gate around the router nobody passes.
pub(crate) async fn guard(State(passage): State<Passage>, mut request: Request, next: Next) -> Response {
    match request.extensions_mut().remove::<Arc<Gate>>() {
        Some(gate) => gate.pass(passage, request, next).await,
        None => Denied::NoKey.into_response(),
    }
}
