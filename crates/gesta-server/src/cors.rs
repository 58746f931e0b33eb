//! Which web pages of other origins may call the server: none, unless the configuration names them.

use std::sync::Arc;

use axum::{
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};

/// What a page may send and see beside the simple headers.
const SEND: &str = "authorization, content-type, idempotency-key, if-match, if-none-match, last-event-id, \
                    traceparent, tracestate, x-request-id, x-correlation-id, gesta-tenant";
const SEE: &str = "etag, link, location, retry-after, x-request-id";

/// Marks a request from a page of an allowed origin.
#[derive(Clone, Copy)]
pub(crate) struct FromAllowedOrigin;

/// The origins a configuration names.
#[derive(Clone)]
pub(crate) struct Origins(Arc<[HeaderValue]>);

impl Origins {
    /// These origins, compared exactly. Texts that no header can hold match nothing.
    pub(crate) fn of(origins: &[String]) -> Self {
        Self(origins.iter().filter_map(|origin| HeaderValue::from_str(origin).ok()).collect())
    }

    /// The origin of a request, if it is one of these.
    fn allowed(&self, headers: &HeaderMap) -> Option<HeaderValue> {
        headers.get(header::ORIGIN).filter(|origin| self.0.contains(origin)).cloned()
    }
}

/// The layer that answers preflights and marks the replies to allowed origins.
pub(crate) async fn share(State(origins): State<Origins>, mut request: Request, next: Next) -> Response {
    let Some(origin) = origins.allowed(request.headers()) else { return next.run(request).await };
    request.extensions_mut().insert(FromAllowedOrigin);
    let asks = request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    let mut response = if request.method() == Method::OPTIONS && asks {
        preflight().into_response()
    } else {
        next.run(request).await
    };
    let headers = response.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(SEE));
    headers.append(header::VARY, HeaderValue::from_static("origin"));
    response
}

fn preflight() -> impl IntoResponse {
    let headers = [
        (header::ACCESS_CONTROL_ALLOW_METHODS, "GET, POST, PUT, DELETE"),
        (header::ACCESS_CONTROL_ALLOW_HEADERS, SEND),
        (header::ACCESS_CONTROL_MAX_AGE, "600"),
    ];
    (StatusCode::NO_CONTENT, headers)
}

#[cfg(test)]
mod tests {
    use axum::{Router, body::Body, middleware::from_fn_with_state, routing::get};
    use tower::ServiceExt;

    use super::*;

    async fn ask(method: Method, origin: &str) -> Response {
        let origins = Origins::of(&["https://console.example".to_owned()]);
        let router = Router::new().route("/", get(|| async { "body" }));
        let router = router.layer(from_fn_with_state(origins, share));
        let request = Request::builder().method(method).uri("/").header("origin", origin);
        let request = request.header("access-control-request-method", "POST").body(Body::empty()).unwrap();
        router.oneshot(request).await.unwrap()
    }

    #[tokio::test]
    async fn only_a_named_origin_is_let_in() {
        let good = ask(Method::GET, "https://console.example").await;
        assert_eq!(good.headers()["access-control-allow-origin"], "https://console.example");
        for bad in ["https://evil.example", "https://console.example.evil.example", "null"] {
            let refused = ask(Method::GET, bad).await;
            assert!(!refused.headers().contains_key("access-control-allow-origin"), "{bad}");
        }
    }

    #[tokio::test]
    async fn a_preflight_is_answered_for_a_named_origin_only() {
        let good = ask(Method::OPTIONS, "https://console.example").await;
        assert_eq!(good.status(), 204);
        assert!(good.headers().contains_key("access-control-allow-headers"));
        assert_eq!(ask(Method::OPTIONS, "https://evil.example").await.status(), 405);
    }
}
