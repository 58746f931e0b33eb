//! One connection from its first byte to its last.

use std::{convert::Infallible, future::Future, pin::pin, sync::Arc};

use axum::{
    Router,
    body::Body,
    extract::Request,
    response::{IntoResponse, Response},
};
use gesta_api::Code;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpStream, sync::Semaphore};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use super::{
    Peer,
    body::{Reply, Sent},
    caps::Place,
    timed::{Limits, Phase, Progress, Timed},
};
use crate::{config::Config, problem::Failure, telemetry::Telemetry};

/// Connections that are told at once why there is no place for them; beyond that they are just closed.
const TOLD: usize = 64;

/// Bytes a connection may hold before its request is known and allowed.
const BUFFER_BYTES: usize = 64 * 1024;

/// What all connections of a listener share.
pub(super) struct Server {
    router: Router,
    limits: Limits,
    max_headers: usize,
    max_head_bytes: usize,
    pub(super) telemetry: Arc<Telemetry>,
    pub(super) turned_away: Arc<Semaphore>,
    stop: CancellationToken,
}

impl Server {
    /// The routes with the limits of a configuration.
    pub(super) fn new(
        router: Router,
        config: &Config,
        telemetry: Arc<Telemetry>,
        stop: CancellationToken,
    ) -> Self {
        let limits = Limits {
            first_byte: config.first_byte_timeout,
            head: config.head_timeout,
            idle: config.keep_alive_timeout,
            write: config.write_timeout,
        };
        let Config { max_headers, max_head_bytes, .. } = *config;
        let turned_away = Arc::new(Semaphore::new(TOLD));
        Self { router, limits, max_headers, max_head_bytes, telemetry, turned_away, stop }
    }

    /// Serves one connection until it ends, or until its requests are done once the server stops.
    pub(super) async fn run(self: Arc<Self>, stream: TcpStream, peer: Peer, place: Place) {
        let _open = self.telemetry.connection();
        let _ = stream.set_nodelay(true);
        let progress = Progress::new();
        let io = TokioIo::new(Timed::new(stream, Arc::clone(&progress), self.limits));
        let service = service_fn(|request| self.answer(request, peer, &progress));
        let mut http = http1::Builder::new();
        // Beyond these hyper answers 431 with an empty body; up to them the refusal says what to do.
        http.max_headers(2 * self.max_headers).max_buf_size(BUFFER_BYTES.max(2 * self.max_head_bytes));
        let mut connection = pin!(http.serve_connection(io, service));
        let ended = tokio::select! {
            ended = connection.as_mut() => ended,
            () = self.stop.cancelled() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = ended {
            tracing::debug!(peer = %peer.0, %error, "a connection ended early");
        }
        drop(place);
    }

    /// One request: refused for its head, or handed to the routes.
    fn answer(
        &self,
        request: Request<Incoming>,
        peer: Peer,
        progress: &Arc<Progress>,
    ) -> impl Future<Output = Result<http::Response<Reply>, Infallible>> + use<> {
        progress.enter(Phase::Busy);
        let progress = Arc::clone(progress);
        let refusal = self.check_head(&request);
        let mut request = request.map(|incoming| Body::new(Sent::new(incoming, Arc::clone(&progress))));
        request.extensions_mut().insert(peer);
        let (router, stop) = (self.router.clone(), self.stop.clone());
        async move {
            let response: Response = match refusal {
                Some(refusal) => refusal.into_response(),
                None => router.oneshot(request).await.unwrap_or_else(|never| match never {}),
            };
            Ok(Reply::of(response, progress, &stop))
        }
    }

    /// The head as it came is not known here, so its parts are counted.
    fn check_head(&self, request: &Request<Incoming>) -> Option<Failure> {
        let headers = request.headers();
        let line = request.uri().path_and_query().map_or(0, |path| path.as_str().len());
        let bytes: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
        if headers.len() <= self.max_headers && line + bytes <= self.max_head_bytes {
            return None;
        }
        self.telemetry.refused("head_too_large");
        let (headers, bytes) = (self.max_headers, self.max_head_bytes);
        let detail = format!("the request head has more than {headers} headers or {bytes} bytes: send less");
        Some(Failure::new(Code::HeadersTooLarge, detail))
    }
}
