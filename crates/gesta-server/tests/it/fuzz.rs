//! Random requests, made from the OpenAPI document and from rubbish.
//!
//! No run may see a 5xx but a 503 with `Retry-After`, a status or content type that the document does not have, or a
//! JSON reply of another shape than it says. The run number makes the requests; it is printed and can be set.

use std::{collections::BTreeMap, env, sync::Arc};

use axum::{body::Body, http::Request};
use gesta_core::{EventHandler, Filter, HandlerError, RecordedEvent, Tenant};
use gesta_server::{Config, openapi};
use http_body_util::BodyExt;
use serde_json::Value;

use crate::{lamp, support::Server};

mod check;
mod generate;

use check::Schema;
use generate::{Dice, Generated};

/// A processor to be asked about, and told to do things.
struct Patient;

#[async_trait::async_trait]
impl EventHandler for Patient {
    fn name(&self) -> &str {
        lamp::NAME
    }

    fn filter(&self) -> Filter {
        Filter::of(Tenant::default())
    }

    async fn handle(&self, _: &[RecordedEvent]) -> Result<(), HandlerError> {
        Ok(())
    }
}

fn setting(name: &str, usual: u64) -> u64 {
    env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(usual)
}

#[tokio::test(start_paused = true)]
async fn random_requests_meet_no_defect() {
    let (run, requests) = (setting("GESTA_FUZZ_RUN", 1), setting("GESTA_FUZZ_REQUESTS", 3_000));
    let document: Value = serde_json::from_str(openapi::text()).expect("JSON");
    let (service, _) = lamp::application(Config::default(), "default", "red", Arc::new(Patient)).await;
    let mut dice = Dice::new(run);
    let mut statuses: BTreeMap<u16, u64> = BTreeMap::new();
    let mut found = Vec::new();
    for number in 0..requests {
        let request = Generated::new(&mut dice, &document);
        match send(&service, &request, &document).await {
            Ok(status) => *statuses.entry(status).or_default() += 1,
            Err(defect) => found.push(format!("request {number}: {request:?}: {defect}")),
        }
    }
    let good: u64 = statuses.range(200..300).map(|(_, count)| count).sum();
    println!("fuzz: run {run}, defects {} of {requests} requests, statuses {statuses:?}", found.len());
    assert!(found.is_empty(), "{:#?}", &found[..found.len().min(5)]);
    assert!(good * 10 > requests, "only {good} of {requests} were taken: the generator proves nothing");
}

async fn send(service: &Server, request: &Generated, document: &Value) -> Result<u16, String> {
    let mut builder = Request::builder().method(request.method.as_str()).uri(&request.uri);
    for (name, value) in &request.headers {
        builder = builder.header(name, value);
    }
    let response = service.respond_with(builder, Body::from(request.body.clone())).await;
    let (parts, mut body) = response.into_parts();
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        let data = frame.map_err(|error| error.to_string())?.into_data().unwrap_or_default();
        bytes.extend_from_slice(&data);
        if bytes.ends_with(b"\n\n") && bytes.windows(11).any(|part| part == b": heartbeat") {
            break;
        }
    }
    let status = parts.status.as_u16();
    let kind = parts.headers.get("content-type").map(|value| value.to_str().unwrap_or("?").to_owned());
    if status >= 500 && !(status == 503 && parts.headers.contains_key("retry-after")) {
        return Err(format!("{status}: {}", String::from_utf8_lossy(&bytes)));
    }
    Schema::new(document).reply(request, status, kind.as_deref(), &bytes)?;
    Ok(status)
}
