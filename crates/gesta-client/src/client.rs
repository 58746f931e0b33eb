//! Calls to one server.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use gesta_api::Query;
use gesta_core::Tenant;
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode,
    header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, RETRY_AFTER},
};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper_util::{
    client::legacy::{Client as Pool, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Serialize, de::DeserializeOwned};

use crate::{ApiKey, Error, Refusal, retry};

/// The largest answer that is read into memory, in bytes: a full page of large events.
const ANSWER_BYTES: usize = 512 * 1024 * 1024;

/// How long a call may take when nothing else is said.
const CALL_TIMEOUT: Duration = Duration::from_secs(30);

/// How long a connection may take to be made.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How long an unused connection is kept; shorter than the server keeps it, so that it is seldom used too late.
const POOL_IDLE: Duration = Duration::from_secs(15);

const TENANT: HeaderName = HeaderName::from_static("gesta-tenant");

/// Calls to one server over pooled connections. Cheap to clone; clones share the pool.
///
/// Redirects are never followed: a key is shown to the server it was made for and to no other.
///
/// ```
/// use gesta_client::Client;
/// let client = Client::new("http://127.0.0.1:8087/")?;
/// assert_eq!(client.server(), "http://127.0.0.1:8087");
/// # Ok::<(), gesta_client::InvalidUrl>(())
/// ```
#[derive(Clone)]
pub struct Client {
    pool: Pool<HttpConnector, Full<Bytes>>,
    server: Arc<str>,
    key: Option<ApiKey>,
    tenant: Option<Tenant>,
    timeout: Duration,
}

/// The text is no base URL that this client can call.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{given:?} is no base url: write it as http://127.0.0.1:8087, without user, query or fragment")]
pub struct InvalidUrl {
    /// What was given, cut to 200 characters.
    pub given: String,
}

/// One request: everything but where to and who asks. Cheap to clone: it may be sent again as it is.
#[derive(Clone)]
pub(crate) struct Call {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Call {
    pub(crate) fn get(path: impl Into<String>) -> Self {
        Self { method: Method::GET, path: path.into(), headers: HeaderMap::new(), body: Bytes::new() }
    }

    pub(crate) fn delete(path: impl Into<String>) -> Self {
        Self { method: Method::DELETE, ..Self::get(path) }
    }

    pub(crate) fn post(path: impl Into<String>, body: &impl Serialize) -> Result<Self, Error> {
        let body = serde_json::to_vec(body)
            .map_err(|error| Error::Request { reason: format!("it is no JSON: {error}") })?;
        Ok(Self::json(path, body.into()))
    }

    /// A `POST` that says all in its path.
    pub(crate) fn tell(path: impl Into<String>) -> Self {
        Self { method: Method::POST, ..Self::get(path) }
    }

    /// A `POST` of bytes that are JSON already.
    pub(crate) fn json(path: impl Into<String>, body: Bytes) -> Self {
        let mut call = Self { method: Method::POST, body, ..Self::get(path) };
        call.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        call
    }

    pub(crate) fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.insert(name, value);
        self
    }

    pub(crate) fn tenant(self, tenant: &Tenant) -> Self {
        let value = HeaderValue::from_str(tenant.as_str()).expect("a tenant is visible ASCII");
        self.header(TENANT, value)
    }
}

impl Client {
    /// Calls to the server at this base URL, with or without a slash at its end. Nothing is sent yet.
    pub fn new(url: &str) -> Result<Self, InvalidUrl> {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(CONNECT_TIMEOUT));
        let pool = Pool::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(POOL_IDLE)
            .build(connector);
        let server = base_url(url).ok_or_else(|| InvalidUrl { given: url.chars().take(200).collect() })?;
        Ok(Self { pool, server: server.into(), key: None, tenant: None, timeout: CALL_TIMEOUT })
    }

    /// The same, showing this key.
    pub fn with_key(mut self, key: ApiKey) -> Self {
        self.key = Some(key);
        self
    }

    /// The same, for this tenant. A server that knows keys takes the tenant from the key and refuses another one.
    pub fn for_tenant(mut self, tenant: Tenant) -> Self {
        self.tenant = Some(tenant);
        self
    }

    /// The same, where a call may take this long; 30 s unless said otherwise. Long polls and streams get the time
    /// they ask for on top.
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// The server's base URL, without a slash at its end.
    pub fn server(&self) -> &str {
        &self.server
    }

    /// The tenant that calls are for when they name none.
    pub fn tenant(&self) -> Tenant {
        self.tenant.clone().unwrap_or_default()
    }

    /// Whether the server answers `GET /health` with success; a network error is `false`.
    pub async fn is_healthy(&self) -> bool {
        self.bytes(Call::get("/health")).await.is_ok()
    }

    /// One `GET`, tried again while the trouble is transient, its JSON read into `T`.
    ///
    /// For the routes that have no method of their own; `path` begins with a slash.
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Error> {
        self.retrying(Call::get(path)).await
    }

    /// One `POST` of JSON, sent once, its answer read into `T`.
    pub async fn post<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<T, Error> {
        self.once(Call::post(path, body)?).await
    }

    /// One `DELETE`, sent once.
    pub async fn delete(&self, path: &str) -> Result<(), Error> {
        self.bytes(Call::delete(path)).await.map(drop)
    }

    pub(crate) async fn once<T: DeserializeOwned>(&self, call: Call) -> Result<T, Error> {
        self.once_within(call, self.timeout).await
    }

    /// Sends a call once, for an answer that may take this long.
    pub(crate) async fn once_within<T: DeserializeOwned>(
        &self,
        call: Call,
        limit: Duration,
    ) -> Result<T, Error> {
        let bytes = self.bytes_within(call, limit).await?;
        serde_json::from_slice(&bytes).map_err(|error| self.malformed(&error))
    }

    /// Sends a call that may be sent again safely: it reads, or its ids make it idempotent.
    pub(crate) async fn retrying<T: DeserializeOwned>(&self, call: Call) -> Result<T, Error> {
        let settled = self.settled(call).await;
        settled.map_err(|(error, doubt)| doubt.filter(|_| error.is_transient()).unwrap_or(error))
    }

    /// The same; fails with the last error, and with the one that left open whether the call took effect, if there was
    /// one: then only a definite answer ends the doubt.
    pub(crate) async fn settled<T: DeserializeOwned>(&self, call: Call) -> Result<T, (Error, Option<Error>)> {
        let mut pauses = retry::call();
        let mut doubt = None;
        loop {
            let error = match self.once(call.clone()).await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            let Some(pause) = pauses.next().filter(|_| error.is_transient()) else {
                return Err((error, doubt));
            };
            let asked = error.retry_after();
            tracing::debug!(%error, "trying again");
            if error.leaves_open() {
                doubt = Some(error);
            }
            tokio::time::sleep(retry::pause(pause, asked)).await;
        }
    }

    async fn bytes(&self, call: Call) -> Result<Bytes, Error> {
        self.bytes_within(call, self.timeout).await
    }

    pub(crate) fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Sends a call and reads the whole answer, all within `limit`.
    pub(crate) async fn bytes_within(&self, call: Call, limit: Duration) -> Result<Bytes, Error> {
        let answered = async {
            let response = self.send(call).await?;
            self.read(response).await
        };
        tokio::time::timeout(limit, answered)
            .await
            .unwrap_or_else(|_| Err(self.unknown(format!("it took longer than {} s", limit.as_secs_f32()))))
    }

    /// Sends a call and answers with the body still to be read; a refusal is read and comes as the error.
    pub(crate) async fn open(&self, call: Call) -> Result<Response<Incoming>, Error> {
        let opened = async {
            let response = self.send(call).await?;
            if response.status() == StatusCode::OK { Ok(response) } else { Err(self.refused(response).await) }
        };
        tokio::time::timeout(self.timeout, opened)
            .await
            .unwrap_or_else(|_| Err(self.unknown("it did not begin to answer in time".to_owned())))
    }

    async fn send(&self, call: Call) -> Result<Response<Incoming>, Error> {
        let request = self.request(call)?;
        self.pool.request(request).await.map_err(|error| {
            let reason = innermost(&error);
            if error.is_connect() {
                Error::Unreachable { server: self.server.to_string(), reason }
            } else {
                self.unknown(reason)
            }
        })
    }

    fn request(&self, call: Call) -> Result<Request<Full<Bytes>>, Error> {
        let mut request = Request::builder()
            .method(call.method)
            .uri(format!("{}{}", self.server, call.path))
            .body(Full::new(call.body))
            .map_err(|error| Error::Request { reason: error.to_string() })?;
        let headers = request.headers_mut();
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        if let Some(tenant) = &self.tenant {
            let value = HeaderValue::from_str(tenant.as_str()).expect("a tenant is visible ASCII");
            headers.insert(TENANT, value);
        }
        headers.extend(call.headers);
        if let Some(key) = &self.key {
            headers.insert(AUTHORIZATION, key.header());
        }
        Ok(request)
    }

    async fn read(&self, response: Response<Incoming>) -> Result<Bytes, Error> {
        if !response.status().is_success() {
            return Err(self.refused(response).await);
        }
        let read = Limited::new(response.into_body(), ANSWER_BYTES).collect().await;
        read.map(|collected| collected.to_bytes()).map_err(|error| self.unknown(innermost(&*error)))
    }

    async fn refused(&self, response: Response<Incoming>) -> Error {
        let (head, body) = response.into_parts();
        let retry_after = head.headers.get(RETRY_AFTER).and_then(seconds);
        // The status alone settles the call, so a body that breaks off is no reason to forget it.
        let body = Limited::new(body, ANSWER_BYTES).collect().await;
        let body = body.map(|collected| collected.to_bytes()).unwrap_or_default();
        Error::Refused(Box::new(Refusal::new(head.status, retry_after, body)))
    }

    pub(crate) fn unknown(&self, reason: String) -> Error {
        Error::Unknown { server: self.server.to_string(), reason }
    }

    pub(crate) fn malformed(&self, error: &dyn std::error::Error) -> Error {
        Error::Malformed { server: self.server.to_string(), reason: error.to_string() }
    }
}

/// What stands for itself in a path.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// One part of a path. A name cannot lead to another path.
pub(crate) fn segment(name: &str) -> String {
    // Dots alone would be taken for the folder above.
    if !name.is_empty() && name.chars().all(|c| c == '.') {
        return name.replace('.', "%2E");
    }
    utf8_percent_encode(name, PLAIN).to_string()
}

/// A path with its query, if that asks for anything.
pub(crate) fn within(path: &str, query: &impl Query) -> String {
    let query = query.to_query();
    if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") }
}

fn seconds(value: &HeaderValue) -> Option<Duration> {
    value.to_str().ok()?.trim().parse().ok().map(Duration::from_secs)
}

/// What lies at the bottom of an error: the system's own words, without the layers above them.
fn innermost(error: &(dyn std::error::Error + 'static)) -> String {
    let mut deepest = error;
    while let Some(source) = deepest.source() {
        deepest = source;
    }
    deepest.to_string()
}

fn base_url(text: &str) -> Option<String> {
    let text = text.trim().trim_end_matches('/');
    let uri: http::Uri = text.parse().ok()?;
    let authority = uri.authority()?;
    let plain = uri.scheme_str() == Some("http") && uri.query().is_none() && !text.contains('#');
    (plain && !authority.as_str().contains('@') && !authority.host().is_empty()).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_url_works_with_and_without_a_slash_and_with_a_path() {
        for (given, kept) in [
            ("http://localhost:8087", "http://localhost:8087"),
            ("http://localhost:8087/", "http://localhost:8087"),
            (" http://[::1]:80/gesta/ ", "http://[::1]:80/gesta"),
        ] {
            assert_eq!(Client::new(given).map(|client| client.server().to_owned()), Ok(kept.into()));
        }
    }

    #[test]
    fn a_name_cannot_lead_to_another_path() {
        assert_eq!(segment("a/../b?c"), "a%2F..%2Fb%3Fc");
        assert_eq!(segment(".."), "%2E%2E");
    }

    #[test]
    fn refuses_what_is_no_base_url() {
        for bad in [
            "",
            "localhost:8087",
            "/x",
            "ftp://h",
            "https://h",
            "http://",
            "http://u:p@h",
            "http://h/?a=1",
            "http://h#x",
        ] {
            assert!(Client::new(bad).is_err(), "{bad:?}");
        }
    }
}
