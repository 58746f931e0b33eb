//! One line and one measurement for each request.

use std::{
    sync::{Arc, OnceLock},
    time::{Duration, Instant},
};

use axum::{
    extract::{MatchedPath, Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, header::X_CONTENT_TYPE_OPTIONS},
    middleware::Next,
    response::Response,
};
use uuid::Uuid;

use super::Telemetry;
use crate::{accept::Peer, auth::Caller};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The id of a request: the caller's `X-Request-Id` if it is short and plain, else a fresh one. An extension of
/// every request, and echoed in the reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestId(pub Arc<str>);

tokio::task_local! {
    /// The correlation of what the request of this task did.
    static CORRELATION: Arc<OnceLock<Arc<str>>>;
}

/// Tells the log the correlation id of what the request of this task does; the first one counts.
pub(crate) fn correlate(id: &str) {
    // Outside of a request there is no line to tell it to.
    let _ = CORRELATION.try_with(|slot| slot.set(id.into()));
}

/// What the layer needs.
#[derive(Clone)]
pub(crate) struct Observer {
    pub(crate) telemetry: Arc<Telemetry>,
    pub(crate) log: bool,
}

/// The layer that measures and logs.
pub(crate) async fn observe(State(observer): State<Observer>, mut request: Request, next: Next) -> Response {
    let start = Instant::now();
    let id = request_id(request.headers());
    request.extensions_mut().insert(RequestId(Arc::clone(&id)));
    let seen = Seen::of(&request);
    let slot = Arc::new(OnceLock::new());
    let mut response = CORRELATION.scope(Arc::clone(&slot), next.run(request)).await;
    let took = start.elapsed();
    let status = response.status().as_u16();
    observer.telemetry.answered(seen.route(), &seen.method, status, took);
    if observer.log {
        seen.log(&id, slot.get(), &response, took);
    }
    let headers = response.headers_mut();
    if let Ok(value) = HeaderValue::from_str(&id) {
        headers.insert(REQUEST_ID, value);
    }
    // No browser guesses at what a reply is.
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// What the log shows of a request that has gone on.
struct Seen {
    method: axum::http::Method,
    route: Option<MatchedPath>,
    trace: Option<String>,
    correlation: Option<String>,
    peer: Option<Peer>,
}

impl Seen {
    /// Taken before the request goes on, which consumes it.
    fn of(request: &Request) -> Self {
        let extensions = request.extensions();
        let plain = |name| plain_text(request.headers(), name).map(str::to_owned);
        Self {
            method: request.method().clone(),
            route: extensions.get::<MatchedPath>().cloned(),
            trace: plain("traceparent").as_deref().and_then(trace_id).map(str::to_owned),
            correlation: plain("x-correlation-id"),
            peer: extensions.get::<Peer>().copied(),
        }
    }

    fn route(&self) -> &str {
        self.route.as_ref().map_or("unmatched", MatchedPath::as_str)
    }

    fn log(&self, id: &str, correlation: Option<&Arc<str>>, response: &Response, took: Duration) {
        let caller = response.extensions().get::<Caller>();
        let peer = self.peer.map(|peer| peer.0.ip());
        tracing::info!(
            target: "gesta::request",
            request_id = id,
            correlation_id = correlation.map(|id| &**id).or(self.correlation.as_deref()),
            trace_id = self.trace.as_deref(),
            method = super::method_name(&self.method),
            route = self.route(),
            status = response.status().as_u16(),
            duration_ms = took.as_micros() as f64 / 1000.0,
            tenant = caller.map(|caller| caller.tenant.as_str()),
            principal = caller.map(|caller| &*caller.principal),
            peer = peer.map(tracing::field::display),
            "request",
        );
    }
}

/// The id that the caller gave, if it may stand in a log, or a fresh one.
fn request_id(headers: &HeaderMap) -> Arc<str> {
    match plain_text(headers, REQUEST_ID.as_str()) {
        Some(given) => given.into(),
        None => Uuid::now_v7().to_string().into(),
    }
}

/// A header that may stand in a log: at most 128 visible ASCII characters.
fn plain_text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let text = headers.get(name)?.to_str().ok()?;
    (1..=128).contains(&text.len()).then_some(text).filter(|text| text.bytes().all(|b| b.is_ascii_graphic()))
}

/// The trace id of a W3C `traceparent`.
fn trace_id(traceparent: &str) -> Option<&str> {
    let id = traceparent.split('-').nth(1)?;
    (id.len() == 32 && id.bytes().all(|b| b.is_ascii_hexdigit())).then_some(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_short_plain_request_ids_are_taken_over() {
        let id = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(REQUEST_ID, HeaderValue::from_bytes(text.as_bytes()).unwrap());
            request_id(&headers)
        };
        assert_eq!(&*id("abc-1"), "abc-1");
        for odd in ["", "a b", &"x".repeat(129), "ü"] {
            assert!(id(odd).parse::<Uuid>().is_ok(), "{odd:?}");
        }
    }

    #[test]
    fn a_trace_id_is_read_from_a_traceparent() {
        let id = "4bf92f3577b34da6a3ce929d0e0e4736";
        assert_eq!(trace_id(&format!("00-{id}-00f067aa0ba902b7-01")), Some(id));
        assert_eq!(trace_id("00-short-00f067aa0ba902b7-01"), None);
    }
}
