//! Several servers on one log: whichever is asked answers, and one goes on for another that is gone.

use std::sync::Arc;

use axum::http::Method;
use gesta_core::{MemoryCheckpoints, MemoryStore};
use gesta_server::{Backend, Config, ServeError, Server};
use http_body_util::BodyExt;
use serde_json::{Value, json};

use crate::process::{Handed, Open, PATIENCE, Process};

const PULL: &str = "/api/v1/groups/g/pull";
const ACK: &str = "/api/v1/groups/g/ack";

/// One log in memory, for any number of processes.
fn memory() -> Open {
    let (store, checkpoints) = (Arc::new(MemoryStore::new()), Arc::new(MemoryCheckpoints::default()));
    Arc::new(move || {
        let backend = Backend::of(Arc::clone(&store), checkpoints.clone());
        Box::pin(async move { backend })
    })
}

/// Two servers with all roles.
fn two(open: &Open) -> (Process, Process, Handed) {
    let handed = Handed::default();
    let start = |name| Process::start(name, open, &handed, "api,processors");
    (start("one"), start("two"), handed)
}

macro_rules! on_every_store {
    ($($law:ident)*) => {
        mod in_memory {
            $(#[tokio::test]
            async fn $law() {
                super::$law(super::memory()).await;
            })*
        }

        mod on_postgres {
            $(#[tokio::test]
            async fn $law() {
                let database = crate::postgres::database().await;
                super::$law(crate::database::open(&database)).await;
            })*
        }
    };
}

on_every_store! {
    what_is_published_at_one_is_consumed_at_the_other_and_a_group_runs_in_one_place
    what_a_member_asks_for_at_one_holds_at_the_other
    a_group_is_followed_through_another_server
    a_stream_that_is_passed_on_ends_when_its_owner_stands_still
    a_stream_of_one_that_took_what_nobody_ran_ends_when_that_stands_still
    another_goes_on_when_the_owner_of_a_group_is_killed
    one_that_stood_still_for_its_lease_changes_nothing_and_passes_on_afterwards
    a_request_is_passed_on_once
    processors_are_listed_at_both_steered_at_both_and_go_on_in_the_other
    one_answers_and_another_runs_what_reacts
}

async fn publish(at: &Process, subject: &str) -> u64 {
    let event = json!({"event_type": "x", "source_service": "test", "payload": {"n": 1}, "subject": subject});
    at.post("/api/v1/events/publish", &event).await.ok()["position"].as_u64().expect("a position")
}

async fn create(at: &Process) {
    let group = json!({"name": "g", "start": "beginning", "filter": {"types": ["x"]}, "lease_ms": 600_000});
    at.post("/api/v1/groups", &group).await.ok();
}

fn pull() -> Value {
    json!({"consumer": "c", "max": 10, "wait_ms": 2_000})
}

fn ids(pulled: &Value) -> Value {
    let deliveries = pulled["deliveries"].as_array().expect("a list");
    deliveries.iter().map(|delivery| delivery["delivery_id"].clone()).collect()
}

/// Asks again and again until the answer is as asked for.
async fn until(at: &Process, path: &str, is: impl Fn(&Value) -> bool) -> Value {
    let look = async {
        loop {
            let body = at.get(path).await.ok();
            if is(&body) {
                return body;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, look).await.expect("it comes to that")
}

fn recorder(listed: &Value) -> &Value {
    &listed["processors"][0]
}

async fn what_is_published_at_one_is_consumed_at_the_other_and_a_group_runs_in_one_place(open: Open) {
    let (one, two, _) = two(&open);
    create(&one).await;
    publish(&one, "a-1").await;
    let first = two.post(PULL, &pull()).await.ok();
    assert_eq!(first["deliveries"].as_array().map(Vec::len), Some(1), "{first}");
    publish(&two, "b-1").await;
    let second = one.post(PULL, &pull()).await.ok();
    assert_eq!(second["deliveries"][0]["stream_id"], "b-1", "what is out at the other is not given again");
    assert_eq!(one.post(ACK, &json!({"delivery_ids": ids(&first)})).await.ok(), json!({"acked": 1}));
    assert_eq!(two.post(ACK, &json!({"delivery_ids": ids(&second)})).await.ok(), json!({"acked": 1}));
    let shown = one.get("/api/v1/groups/g").await.ok();
    assert_eq!((&shown["in_flight"], &shown["counts"]["acked"]), (&0.into(), &2.into()), "{shown}");
    assert_eq!(two.get("/api/v1/groups/g").await.ok(), shown);
    for at in [&one, &two] {
        let listed = at.get("/api/v1/groups").await.ok();
        assert_eq!(listed["groups"][0]["consumers"][0]["name"], "c", "as its owner knows it: {listed}");
    }
}

async fn what_a_member_asks_for_at_one_holds_at_the_other(open: Open) {
    let (one, two, _) = two(&open);
    let subscribe = |size: u32| {
        json!({"consumer_group": "g", "consumer_name": "c", "batch_size": size, "read_latest": false,
            "auto_ack": false, "timeout_ms": 100, "event_types": ["x"]})
    };
    one.post("/api/v1/events/subscribe", &subscribe(1)).await.ok();
    let more = async |round: u32| {
        for stream in ["a", "b", "c"] {
            publish(&one, &format!("{stream}-{round}")).await;
        }
        let pulled = two.post(PULL, &json!({"consumer": "c"})).await.ok();
        ids(&pulled).as_array().map_or(0, Vec::len)
    };
    assert_eq!(more(1).await, 1);
    two.post("/api/v1/events/subscribe", &subscribe(2)).await.ok();
    // Now the owner knows it by heart.
    assert_eq!(more(2).await, 2);
    one.post("/api/v1/events/subscribe", &subscribe(3)).await.ok();
    // The owner hears of it in a moment.
    let more = async {
        let mut round = 3;
        while more(round).await != 3 {
            round += 1;
        }
    };
    tokio::time::timeout(PATIENCE, more).await.expect("it is heard of");
}

async fn a_group_is_followed_through_another_server(open: Open) {
    let (one, two, _) = two(&open);
    create(&one).await;
    one.post(PULL, &json!({"consumer": "c", "max": 1, "wait_ms": 0})).await.ok();
    let followed = two.respond(Method::GET, "/api/v1/groups/g/stream?consumer=c", &[], String::new()).await;
    assert_eq!(followed.headers()["content-type"], "text/event-stream");
    let mut body = followed.into_body();
    publish(&two, "a-1").await;
    let mut seen = String::new();
    while !seen.contains("event: delivery") {
        let frame = tokio::time::timeout(PATIENCE, body.frame()).await.expect("it comes");
        let frame = frame.expect("goes on").expect("unbroken");
        seen.push_str(&String::from_utf8_lossy(frame.data_ref().expect("data")));
    }
    assert!(seen.contains("a-1"), "{seen}");
}

/// Follows the group, sees one event come, has its owner stand still, and reads until the stream ends.
async fn follow_to_the_end(at: &Process, owner: &Process) {
    let follow = async {
        loop {
            let path = "/api/v1/groups/g/stream?consumer=c";
            let followed = at.respond(Method::GET, path, &[], String::new()).await;
            // Whoever takes it may have to be known first.
            if followed.status() != 503 {
                return followed;
            }
        }
    };
    let followed = tokio::time::timeout(PATIENCE, follow).await.expect("it is answered");
    assert_eq!(followed.headers()["content-type"], "text/event-stream");
    let mut body = followed.into_body();
    publish(at, "a-1").await;
    let mut seen = String::new();
    let mut still = None;
    let to_the_end = async {
        while let Some(frame) = body.frame().await {
            seen.push_str(&String::from_utf8_lossy(frame.expect("unbroken").data_ref().expect("data")));
            if still.is_none() && seen.contains("a-1") {
                still = Some(owner.stand_still());
            }
        }
    };
    let ended = tokio::time::timeout(PATIENCE, to_the_end).await;
    assert!(still.is_some(), "nothing came: {seen}");
    ended.expect("a stream does not outlive its owner");
}

async fn a_stream_that_is_passed_on_ends_when_its_owner_stands_still(open: Open) {
    let (one, two, _) = two(&open);
    create(&one).await;
    one.post(PULL, &json!({"consumer": "c", "max": 1, "wait_ms": 0})).await.ok();
    follow_to_the_end(&two, &one).await;
}

async fn a_stream_of_one_that_took_what_nobody_ran_ends_when_that_stands_still(open: Open) {
    let handed = Handed::default();
    let api = Process::start("api", &open, &handed, "api");
    let worker = Process::start("worker", &open, &handed, "processors");
    create(&api).await;
    follow_to_the_end(&api, &worker).await;
}

async fn another_goes_on_when_the_owner_of_a_group_is_killed(open: Open) {
    let (one, two, _) = two(&open);
    create(&one).await;
    publish(&one, "a-1").await;
    publish(&one, "b-1").await;
    let held = one.post(PULL, &json!({"consumer": "c", "max": 1})).await.ok();
    let settled = one.post(PULL, &json!({"consumer": "c", "max": 1})).await.ok();
    one.post(ACK, &json!({"delivery_ids": ids(&settled)})).await.ok();
    one.kill();
    let (again, refusals) = two.until_answered(PULL, &pull()).await;
    let told = |answer: &crate::process::Answer| {
        let detail = answer.body["detail"].as_str().unwrap_or_default();
        answer.body["code"] == "owner_unreachable" && detail.contains("does not answer")
    };
    assert!(!refusals.is_empty() && refusals.iter().all(told), "{refusals:?}");
    assert_eq!(again["deliveries"].as_array().map(Vec::len), Some(1), "what was settled is: {again}");
    assert_eq!(again["deliveries"][0]["stream_id"], held["deliveries"][0]["stream_id"]);
    two.post(ACK, &json!({"delivery_ids": ids(&held)})).await.refused(409, "lease_lost");
    two.post(ACK, &json!({"delivery_ids": ids(&again)})).await.ok();
}

async fn one_that_stood_still_for_its_lease_changes_nothing_and_passes_on_afterwards(open: Open) {
    let (one, two, _) = two(&open);
    create(&one).await;
    publish(&one, "a-1").await;
    let held = one.post(PULL, &pull()).await.ok();
    let still = one.stand_still();
    let (again, _) = two.until_answered(PULL, &pull()).await;
    assert_eq!(again["deliveries"][0]["stream_id"], "a-1");
    still.go_on();
    // Where its actor has just ended, it is told to come back.
    one.until_settled(ACK, &json!({"delivery_ids": ids(&held)})).await.refused(409, "lease_lost");
    let shown = two.get("/api/v1/groups/g").await.ok();
    assert_eq!((&shown["in_flight"], &shown["counts"]["acked"]), (&1.into(), &0.into()), "{shown}");
    assert_eq!(one.post(ACK, &json!({"delivery_ids": ids(&again)})).await.ok(), json!({"acked": 1}));
}

async fn a_request_is_passed_on_once(open: Open) {
    let (one, two, _) = two(&open);
    create(&one).await;
    one.post(PULL, &json!({"consumer": "c", "max": 1, "wait_ms": 0})).await.ok();
    let passed = [("gesta-forwarded-by", "somebody")];
    let refused = two.ask(Method::POST, PULL, &passed, pull().to_string()).await;
    refused.refused(503, "group_busy");
}

async fn processors_are_listed_at_both_steered_at_both_and_go_on_in_the_other(open: Open) {
    let (one, two, handed) = two(&open);
    let position = publish(&two, "a-1").await;
    let at = |listed: &Value| recorder(listed)["position"].as_u64() >= Some(position);
    let (first, second) =
        (until(&one, "/api/v1/processors", at).await, until(&two, "/api/v1/processors", at).await);
    let owners = [&first, &second].map(|listed| recorder(listed)["owner"].as_str().map(str::to_owned));
    let owner_is_one = owners[0].is_none();
    let (owner, other) = if owner_is_one { (one, two) } else { (two, one) };
    let named = owners.into_iter().flatten().next().expect("the other one says who runs it");
    assert!(named.ends_with(&format!(" at {}", owner.address)), "{named}");

    let paused = other.post("/api/v1/processors/recorder/pause", &json!({})).await.ok();
    assert_eq!((&paused["state"], &paused["owner"]), (&"paused".into(), &Value::Null), "the owner's answer");
    until(&other, "/api/v1/processors", |listed| recorder(listed)["state"] == "paused").await;
    let letters = other.get("/api/v1/processors/recorder/dead-letters").await.ok();
    assert_eq!(letters, json!({"dead_letters": []}));
    publish(&owner, "b-1").await;
    other.post("/api/v1/processors/recorder/resume", &json!({})).await.ok();
    let last = publish(&owner, "c-1").await;
    let there = |listed: &Value| recorder(listed)["position"].as_u64() >= Some(last);
    until(&other, "/api/v1/processors", there).await;

    owner.kill();
    let last = publish(&other, "d-1").await;
    let here = |listed: &Value| {
        recorder(listed)["position"].as_u64() >= Some(last) && recorder(listed)["owner"].is_null()
    };
    until(&other, "/api/v1/processors", here).await;
    let handed = handed.lock().expect("no holder panics").clone();
    let positions: Vec<u64> = handed.iter().map(|(_, position)| *position).collect();
    let mut sorted = positions.clone();
    sorted.sort_unstable();
    sorted.dedup();
    assert_eq!(positions, sorted, "each once, in order");
}

async fn one_answers_and_another_runs_what_reacts(open: Open) {
    let handed = Handed::default();
    let api = Process::start("api", &open, &handed, "api");
    create(&api).await;
    let position = publish(&api, "a-1").await;
    let nobody = api.post(PULL, &pull()).await.refused(503, "owner_unreachable");
    assert!(nobody["detail"].as_str().is_some_and(|text| text.contains("role processors")), "{nobody}");
    api.post("/api/v1/processors/recorder/pause", &json!({})).await.refused(503, "owner_unreachable");
    api.get("/api/v1/processors/recorder/dead-letters").await.refused(503, "owner_unreachable");

    let worker = Process::start("worker", &open, &handed, "processors");
    let (pulled, _) = api.until_answered(PULL, &pull()).await;
    assert_eq!(pulled["deliveries"][0]["stream_id"], "a-1");
    api.post(ACK, &json!({"delivery_ids": ids(&pulled)})).await.ok();
    let there = |listed: &Value| {
        recorder(listed)["position"].as_u64() >= Some(position) && recorder(listed)["owner"].is_string()
    };
    until(&api, "/api/v1/processors", there).await;
    assert!(handed.lock().expect("no holder panics").iter().all(|(by, _)| *by == "worker"));
    assert_eq!(worker.get("/health").await.status, 200);
    assert_eq!(worker.get("/metrics").await.status, 200);
    let event = json!({"event_type": "x", "source_service": "test", "payload": {}});
    worker.post("/api/v1/events/publish", &event).await.refused(404, "route_not_found");
    worker.post(PULL, &pull()).await.refused(404, "route_not_found");
    worker.stop();
    api.stop();
}

#[tokio::test]
async fn a_store_of_one_process_has_it_do_everything() {
    let variable = |name: &str| (name == "GESTA_ROLES").then(|| "api".to_owned());
    let config = Config::from_environment(variable).expect("legal");
    let listener = crate::support::listener().await;
    let refused = Server::new(Backend::memory(), config).start_on(listener).await.err().expect("refused");
    assert!(
        matches!(refused, ServeError::Roles { .. }) && refused.to_string().contains("GESTA_STORE"),
        "{refused}"
    );
}
