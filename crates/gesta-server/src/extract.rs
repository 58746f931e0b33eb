//! What handlers read from a request, and how they answer: Gesta's own, and those of a program that adds routes.

use axum::{
    body::{Body, to_bytes},
    extract::{FromRequest, FromRequestParts, RawPathParams, Request},
    http::{HeaderMap, HeaderValue, StatusCode, header, request::Parts},
    response::Response,
};
use gesta_api::{Code, parse};
use gesta_core::{StreamId, Version};
use serde::{Serialize, de::DeserializeOwned};

use crate::problem::Failure;

/// A body that is declared as JSON and is strictly well-formed JSON of this shape.
///
/// A body that is declared otherwise is refused with 415, one that is no JSON with 400, one of another shape with 422.
pub struct JsonBody<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for JsonBody<T> {
    type Rejection = Failure;

    async fn from_request(request: Request, _: &S) -> Result<Self, Failure> {
        if !declares_json(request.headers()) {
            return Err(Failure::new(Code::UnsupportedContentType, "send Content-Type: application/json"));
        }
        let broken = |_| Failure::request("the body ended before it was complete");
        // The gate has bounded it and taken it in.
        let body = to_bytes(request.into_body(), usize::MAX).await.map_err(broken)?;
        Ok(Self(parse(&body)?))
    }
}

fn declares_json(headers: &HeaderMap) -> bool {
    let Some(Ok(value)) = headers.get(header::CONTENT_TYPE).map(HeaderValue::to_str) else { return false };
    let essence = value.split(';').next().unwrap_or_default().trim();
    essence.eq_ignore_ascii_case("application/json")
}

/// The stream that the path names.
pub(crate) struct StreamPath(pub(crate) StreamId);

impl<S: Send + Sync> FromRequestParts<S> for StreamPath {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        let PathText(text) = PathText::from_request_parts(parts, state).await?;
        text.parse().map(Self).map_err(|error| Failure::new(Code::IllegalStream, format!("{error}")))
    }
}

/// The first variable part of the path, decoded.
pub struct PathText(pub String);

impl<S: Send + Sync> FromRequestParts<S> for PathText {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        path_parts(parts, state).await.map(|[text]| Self(text))
    }
}

/// The first two variable parts of the path, decoded.
pub struct PathPair(pub String, pub String);

impl<S: Send + Sync> FromRequestParts<S> for PathPair {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        path_parts(parts, state).await.map(|[one, other]| Self(one, other))
    }
}

async fn path_parts<const N: usize, S: Send + Sync>(
    parts: &mut Parts,
    state: &S,
) -> Result<[String; N], Failure> {
    let undecodable = |_| Failure::request("the path is not percent-encoded UTF-8");
    let params = RawPathParams::from_request_parts(parts, state).await.map_err(undecodable)?;
    let mut texts = params.iter().map(|(_, text)| text.to_owned());
    Ok(std::array::from_fn(|_| texts.next().expect("the route has so many variable parts")))
}

/// What the query asks for.
pub(crate) struct Query<Q>(pub(crate) Q);

impl<S: Send + Sync, Q: gesta_api::Query> FromRequestParts<S> for Query<Q> {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Failure> {
        Ok(Self(Q::parse(parts.uri.query().unwrap_or_default())?))
    }
}

/// A JSON reply with this status, serialized once.
pub fn json(status: StatusCode, value: &impl Serialize) -> Response {
    let body = serde_json::to_vec(value).expect("wire types always serialize");
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    response
}

/// The version of `If-Match: "7"`; `None` without the header. Fails on anything else.
pub fn if_match(headers: &HeaderMap) -> Result<Option<Version>, Failure> {
    let Some(text) = header_text(headers, "if-match")? else { return Ok(None) };
    let version = unquoted(text).ok_or_else(|| Failure::request("write If-Match: \"7\""))?;
    Ok(Some(version))
}

/// A version in quotes.
pub(crate) fn unquoted(text: &str) -> Option<Version> {
    let number = text.trim().strip_prefix('"')?.strip_suffix('"')?;
    number.parse().ok().map(Version::new)
}

/// The `ETag` of a version.
pub fn etag(version: Version) -> (header::HeaderName, HeaderValue) {
    let value = HeaderValue::from_str(&format!("\"{version}\"")).expect("digits and quotes are ASCII");
    (header::ETAG, value)
}

/// One header as text; `None` when absent. Fails when it comes twice or is not ASCII.
pub fn header_text<'a>(headers: &'a HeaderMap, name: &str) -> Result<Option<&'a str>, Failure> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(Failure::request(format!("the header {name} comes twice")));
    }
    value.to_str().map(Some).map_err(|_| Failure::request(format!("the header {name} is not ASCII")))
}
