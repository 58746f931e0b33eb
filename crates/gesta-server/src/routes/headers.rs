//! The headers that appends understand.

use axum::{
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use gesta_api::Code;
use gesta_core::{ExpectedVersion, Metadata, Tenant, Version};
use serde::Serialize;
use uuid::{Uuid, uuid};

pub(crate) use crate::extract::etag;
use crate::{
    extract::{header_text, json, unquoted},
    problem::Failure,
};

/// What event ids are made in that come from an `Idempotency-Key`. Never changes: a retry must make the same ids.
const NAMESPACE: Uuid = uuid!("6f1e2c1a-3d0b-5d57-9a55-2f5c0f9c7b11");

/// An `Idempotency-Key`, or its absence: where event ids come from that the body does not give.
pub(crate) struct EventIds {
    key: Option<String>,
    next: u32,
}

impl EventIds {
    /// Of these headers, for this tenant. Fails on an empty or overlong key.
    pub(crate) fn of(headers: &HeaderMap, tenant: &Tenant) -> Result<Self, Failure> {
        let key = match header_text(headers, "idempotency-key")? {
            Some(key) if key.is_empty() || key.len() > 255 => {
                return Err(Failure::request("the Idempotency-Key must hold 1 to 255 bytes"));
            }
            Some(key) => Some(format!("{tenant}\0{key}\0")),
            None => None,
        };
        Ok(Self { key, next: 0 })
    }

    /// The id of the next event: the given one, or one of the key, or a fresh one. Fails on both.
    pub(crate) fn take(&mut self, given: Option<Uuid>) -> Result<Uuid, Failure> {
        match (given, &self.key) {
            (Some(_), Some(_)) => Err(Failure::field(
                "give event ids or an Idempotency-Key, not both: each alone makes retries safe",
            )),
            (Some(id), None) => Ok(id),
            (None, Some(_)) => {
                let id = self.upcoming().expect("there is a key");
                self.next += 1;
                Ok(id)
            }
            (None, None) => Ok(Uuid::now_v7()),
        }
    }

    /// The id the key would give to one event more. A body that has it was longer.
    pub(crate) fn upcoming(&self) -> Option<Uuid> {
        let key = self.key.as_ref()?;
        Some(Uuid::new_v5(&NAMESPACE, format!("{key}{}", self.next).as_bytes()))
    }

    /// Tells the reuse of a key from the reuse of an id.
    pub(crate) fn explain(&self, failure: Failure) -> Failure {
        match failure.code() {
            Some(Code::EventIdTaken | Code::BatchPartlyKnown) if self.key.is_some() => Self::reused(),
            _ => failure,
        }
    }

    /// The key was used for another body.
    pub(crate) fn reused() -> Failure {
        let detail =
            "the Idempotency-Key was used for another body: send the first body again, or make a new key";
        Failure::new(Code::IdempotencyKeyReused, detail)
    }
}

/// Keeps the W3C trace context of the request unless the event brings its own.
pub(crate) fn keep_trace(headers: &HeaderMap, metadata: &mut Metadata) {
    let Some(parent) = headers.get("traceparent").and_then(|value| value.to_str().ok()) else { return };
    // An illegal context is to be ignored, not refused (Trace Context, section 4.3).
    if metadata.traceparent.is_some() || parent.len() != 55 || !parent.is_ascii() {
        return;
    }
    metadata.traceparent = Some(parent.to_owned());
    let state = headers.get("tracestate").and_then(|value| value.to_str().ok());
    metadata.tracestate = state.filter(|state| state.len() <= 512).map(ToOwned::to_owned);
}

/// What the writer expects, from `If-Match`, `If-None-Match` and the body. Fails when they differ.
pub(crate) fn expected_version(
    headers: &HeaderMap,
    body: Option<ExpectedVersion>,
) -> Result<ExpectedVersion, Failure> {
    let said = [match_header(headers)?, none_match_header(headers)?, body];
    let mut said = said.into_iter().flatten();
    let Some(first) = said.next() else { return Ok(ExpectedVersion::Any) };
    if said.any(|other| other != first) {
        return Err(Failure::field("If-Match, If-None-Match and expected_version differ: give one of them"));
    }
    Ok(first)
}

fn match_header(headers: &HeaderMap) -> Result<Option<ExpectedVersion>, Failure> {
    let Some(text) = header_text(headers, "if-match")? else { return Ok(None) };
    if text.trim() == "*" {
        return Ok(Some(ExpectedVersion::Exists));
    }
    let version = unquoted(text).ok_or_else(|| Failure::request("write If-Match: \"7\" or If-Match: *"))?;
    Ok(Some(ExpectedVersion::Exact(version)))
}

fn none_match_header(headers: &HeaderMap) -> Result<Option<ExpectedVersion>, Failure> {
    match header_text(headers, "if-none-match")?.map(str::trim) {
        None => Ok(None),
        Some("*") => Ok(Some(ExpectedVersion::NoStream)),
        Some(_) => Err(Failure::request("an append takes If-None-Match: * only")),
    }
}

/// Whether the reader has this version already, by its `If-None-Match`.
pub(crate) fn is_current(headers: &HeaderMap, version: Version) -> bool {
    let Ok(Some(text)) = header_text(headers, "if-none-match") else { return false };
    text.split(',').any(|tag| unquoted(tag.trim().trim_start_matches("W/")) == Some(version))
}

/// What is shown of something at this version, unless the reader has it already.
pub(crate) fn versioned(headers: &HeaderMap, version: Version, shown: &impl Serialize) -> Response {
    if is_current(headers, version) {
        return (StatusCode::NOT_MODIFIED, [etag(version)]).into_response();
    }
    ([etag(version)], json(StatusCode::OK, shown)).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    /// Retries cross releases: these ids are an interface.
    #[test]
    fn the_ids_of_a_key_never_change() {
        let mut ids = EventIds::of(&headers(&[("idempotency-key", "k")]), &Tenant::default()).unwrap();
        assert_eq!(ids.take(None).unwrap().to_string(), "9ac8194c-429e-5893-a124-c466331c8ea2");
    }

    #[test]
    fn an_illegal_trace_is_ignored() {
        let mut metadata = Metadata::default();
        keep_trace(&headers(&[("traceparent", "rubbish")]), &mut metadata);
        assert_eq!(metadata.traceparent, None);
        let legal = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        keep_trace(&headers(&[("traceparent", legal)]), &mut metadata);
        assert_eq!(metadata.traceparent.as_deref(), Some(legal));
    }
}
