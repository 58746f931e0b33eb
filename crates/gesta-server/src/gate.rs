//! What a request passes before its handler sees it, in this order: who asks, whether they may, whether there is
//! room, and the whole body within its limits.

use std::{
    panic::AssertUnwindSafe,
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{
    extract::Request,
    middleware::Next,
    response::{IntoResponse, Response},
};
use futures_util::FutureExt;
use gesta_api::Code;

use crate::{
    auth::{Access, Authority, Caller, Denied},
    config::Config,
    intake::Intake,
    quota::Quota,
    refusal::Refusal,
};

/// What all guarded routes of a server pass through.
pub struct Gate {
    authority: Arc<Authority>,
    quota: Arc<Quota>,
    intake: Intake,
    reply_timeout: Duration,
}

impl Gate {
    /// A gate of these keys and limits.
    pub fn new(authority: Arc<Authority>, quota: Arc<Quota>, config: &Config) -> Arc<Self> {
        let intake = Intake::new(config, Arc::clone(&quota));
        Arc::new(Self { authority, quota, intake, reply_timeout: config.reply_timeout })
    }

    /// Runs what is behind a route that asks for `access`.
    pub(crate) async fn pass(&self, access: Access, request: Request, next: Next) -> Response {
        let identity = self.authority.identify(&request);
        let passed = match (access, identity) {
            (Access::Open, _) => Ok(next.run(request).await),
            (Access::Needs(_), Err(denied)) => Err(denied.into_response()),
            (Access::Needs(permission), Ok(caller)) => match caller.need(permission) {
                Ok(()) => return self.admit(caller, request, next).await,
                Err(denied) => Err(marked(denied.into_response(), caller)),
            },
        };
        passed.unwrap_or_else(|refused| refused)
    }

    /// Runs what is behind a route for a caller who may: if there is room for it, and for its body.
    async fn admit(&self, caller: Caller, mut request: Request, next: Next) -> Response {
        if let Err(exceeded) = self.quota.rate(&caller.tenant, Instant::now()) {
            return marked(exceeded.into_response(), caller);
        }
        let in_flight = match self.quota.request() {
            Ok(in_flight) => in_flight,
            Err(exceeded) => return marked(exceeded.into_response(), caller),
        };
        request.extensions_mut().insert(caller.clone());
        let response = match self.intake.receive(request).await {
            Ok((request, room)) => {
                let response = self.answer(request, next).await;
                drop(room);
                response
            }
            Err(refusal) => refusal.into_response(),
        };
        drop(in_flight);
        marked(response, caller)
    }

    /// A handler that takes too long is given up; what it began may still take effect. One that panics has a bug,
    /// which costs this reply and nothing else.
    async fn answer(&self, request: Request, next: Next) -> Response {
        let handled = AssertUnwindSafe(next.run(request)).catch_unwind();
        match tokio::time::timeout(self.reply_timeout, handled).await {
            Ok(Ok(response)) => response,
            Ok(Err(_)) => {
                let detail = "the server has a bug here, which it has logged: report it with the request id";
                Refusal::new(Code::Internal, detail).into_response()
            }
            Err(_) => {
                let detail = "the reply took too long; send the same request with the same ids again";
                Refusal::new(Code::OutcomeUnknown, detail).retry_after(Duration::from_secs(1)).into_response()
            }
        }
    }
}

/// The reply tells the request log who asked.
fn marked(mut response: Response, caller: Caller) -> Response {
    response.extensions_mut().insert(caller);
    response
}

/// Runs what is behind a guarded route. Without a gate around the router nobody passes.
pub(crate) async fn guard(access: Access, mut request: Request, next: Next) -> Response {
    match request.extensions_mut().remove::<Arc<Gate>>() {
        Some(gate) => gate.pass(access, request, next).await,
        None => Denied::NoKey.into_response(),
    }
}
