//! Passes requests on to the process that runs what they are about.
//!
//! A group or a processor runs in one process at a time, by a lease whose owner's name says where it listens. Any other
//! process of the same log asks that one in its caller's name, and hands the reply back as it comes. A request is passed
//! on once: who gets one that was, and does not run what it is about either, refuses it.

use std::{sync::Arc, time::Duration};

use axum::{
    body::{Body, Bytes, to_bytes},
    extract::Request,
    http::{HeaderMap, HeaderName, HeaderValue, Uri, header, request::Parts},
    middleware::Next,
    response::{IntoResponse, Response},
};
use gesta_api::Code;
use gesta_core::CheckpointStore;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};

use crate::{
    owner::{Owner, address_of},
    problem::{Failure, Whose},
    roles::FORWARDED,
    runners::Runners,
};

mod watch;

use watch::{Watch, watched};

/// How long a connection to another process may take.
const CONNECT: Duration = Duration::from_secs(2);
/// When to come back to a group or processor that nobody runs yet.
const SOON: Duration = Duration::from_secs(1);
/// How long an idle connection is kept; shorter than a server keeps it.
const KEPT: Duration = Duration::from_secs(30);
/// The longest a client is told to wait for a lease to end.
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// Most bytes of what an owner shows of one thing.
const SHOWN_BYTES: usize = 1024 * 1024;

/// What belongs to one connection, not to the request or reply on it; and what is said anew to the next one.
const HOP: [HeaderName; 9] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    header::HOST,
    header::CONTENT_LENGTH,
    header::ORIGIN,
];

/// Passes requests on.
pub(crate) struct Forwarder {
    client: Client<HttpConnector, Body>,
    own: String,
    watch: Watch,
    runners: Arc<Runners>,
}

/// A request as it came.
struct Came {
    parts: Parts,
    body: Bytes,
}

/// Answers with what the owner answers, when the handler says that this process is not the owner.
pub(crate) async fn to_owner(request: Request, next: Next) -> Response {
    let forwarder = request.extensions().get::<Arc<Forwarder>>().cloned();
    let Some(forwarder) = forwarder.filter(|_| !request.headers().contains_key(FORWARDED)) else {
        return next.run(request).await;
    };
    let (parts, body) = request.into_parts();
    // The gate has bounded it and taken it in.
    let Ok(body) = to_bytes(body, usize::MAX).await else {
        return Failure::request("the body ended before it was complete").into_response();
    };
    let came = Came { parts: parts.clone(), body: body.clone() };
    let mut response = next.run(Request::from_parts(parts, Body::from(body))).await;
    match response.extensions_mut().remove::<Whose>() {
        Some(whose) => forwarder.pass_on(came, whose).await.unwrap_or_else(IntoResponse::into_response),
        None => response,
    }
}

impl Forwarder {
    pub(crate) fn new(
        own: &Owner,
        checkpoints: Arc<dyn CheckpointStore>,
        runners: Arc<Runners>,
    ) -> Arc<Self> {
        let mut connector = HttpConnector::new();
        connector.set_connect_timeout(Some(CONNECT));
        connector.set_nodelay(true);
        let client = Client::builder(TokioExecutor::new()).pool_idle_timeout(KEPT).build(connector);
        Arc::new(Self { client, own: own.to_string(), watch: Watch::new(checkpoints), runners })
    }

    /// What the owner answers to a request for this path in the name of whoever sent these headers; `None` if it does not
    /// answer well and soon.
    pub(crate) async fn shown_by(&self, owner: &str, headers: HeaderMap, path: &str) -> Option<Bytes> {
        let (mut parts, ()) = Request::new(()).into_parts();
        (parts.uri, parts.headers) = (path.parse().ok()?, headers);
        let request = self.request(Came { parts, body: Bytes::new() }, address_of(owner)?)?;
        let asked = async {
            let reply =
                self.client.request(request).await.ok().filter(|reply| reply.status().is_success())?;
            to_bytes(Body::new(reply.into_body()), SHOWN_BYTES).await.ok()
        };
        tokio::time::timeout(CONNECT, asked).await.ok().flatten()
    }

    async fn pass_on(&self, came: Came, whose: Whose) -> Result<Response, Failure> {
        let (key, owner, remaining) = match whose {
            Whose::Held { key, owner, remaining } => (key, owner, remaining),
            Whose::Nobodys => {
                let path = came.parts.uri.path();
                // It is asked for as long as it has its place among those that take what nobody runs.
                let (place, owner) = self.runners.for_(path).await.ok_or_else(|| {
                    unreachable("no process with the role processors is there: start one (GESTA_ROLES)", SOON)
                })?;
                (place, owner, SOON)
            }
        };
        if owner == self.own {
            return Err(Failure::new(Code::GroupBusy, "it came to this process just now: ask again"));
        }
        let silent = || {
            let within = remaining.as_secs() + 1;
            let detail = format!(
                "{owner} runs it and does not answer: another process goes on once its lease is over, within {within}s"
            );
            unreachable(detail, remaining)
        };
        let address = address_of(&owner).ok_or_else(|| {
            unreachable(
                format!("{owner} runs it and does not say where it listens (GESTA_ADVERTISE)"),
                remaining,
            )
        })?;
        let request = self.request(came, address).ok_or_else(silent)?;
        let lost = self.watch.loses(&key, &owner);
        let replied = tokio::select! {
            replied = self.client.request(request) => replied,
            () = lost.clone() => return Err(silent()),
        };
        match replied {
            Ok(reply) => Ok(handed_back(reply.map(|body| watched(Body::new(body), lost)))),
            Err(error) => {
                tracing::warn!(owner, error = %told(&error), "the process that runs it does not answer");
                Err(silent())
            }
        }
    }

    /// The same request, for the owner.
    fn request(&self, Came { parts, body }: Came, address: &str) -> Option<Request> {
        let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
        let uri: Uri = format!("http://{address}{path}").parse().ok()?;
        let mut request = Request::new(Body::from(body));
        *request.method_mut() = parts.method;
        *request.uri_mut() = uri;
        *request.headers_mut() = without_hop(parts.headers);
        request.headers_mut().insert(FORWARDED, HeaderValue::from_str(&self.own).ok()?);
        Some(request)
    }
}

fn unreachable(detail: impl Into<String>, remaining: Duration) -> Failure {
    Failure::new(Code::OwnerUnreachable, detail).retry_after(remaining.min(LONGEST_WAIT))
}

/// The owner's reply, as it comes: a stream of events is handed on event by event.
fn handed_back(reply: Response) -> Response {
    let (mut parts, body) = reply.into_parts();
    let length = parts.headers.remove(header::CONTENT_LENGTH);
    parts.headers = without_hop(parts.headers);
    if let Some(length) = length {
        parts.headers.insert(header::CONTENT_LENGTH, length);
    }
    Response::from_parts(parts, body)
}

fn without_hop(mut headers: HeaderMap) -> HeaderMap {
    for name in &HOP {
        headers.remove(name);
    }
    headers
}

fn told(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
