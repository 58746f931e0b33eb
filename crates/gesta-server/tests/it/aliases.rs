//! DEC-12 and ES-17 over HTTP: any spelling asks for all, stored text stays, the list of types shows every spelling.

use gesta_core::Aliases;
use gesta_server::Config;
use serde_json::{Value, json};

use crate::{sse::until_quiet, support::Server};

/// The two spellings of the results of a quality control, and a type that is spelt like neither.
async fn announced() -> Server {
    let server = Server::new().await;
    for (event_type, subject) in
        [("QualityControlPassed", "run-1"), ("sequencing.qc_passed", "run-2"), ("ResultsGenerated", "run-3")]
    {
        server.publish(event_type, subject).await;
    }
    server
}

fn types(events: &Value) -> Vec<&str> {
    events.as_array().unwrap().iter().map(|event| event["type"].as_str().unwrap()).collect()
}

#[tokio::test(start_paused = true)]
async fn the_log_is_read_and_followed_by_any_spelling() {
    let server = announced().await;
    for asked in ["QualityControlPassed", "sequencing.qc_passed", "sequencing.*"] {
        let page = server.get(&format!("/api/v1/log?types={asked}")).await.ok();
        assert_eq!(types(&page["events"]), ["QualityControlPassed", "sequencing.qc_passed"], "{asked}");
        let (_, told) = until_quiet(&server, &format!("/api/v1/log/stream?from=start&types={asked}")).await;
        assert_eq!(told.matches("event: event").count(), 2, "{asked}: {told}");
    }
}

#[tokio::test]
async fn a_group_delivers_every_spelling_and_shows_its_filter_as_given() {
    let server = announced().await;
    let subscribe = |event_type: &str| json!({"consumer_group": "qc", "event_types": [event_type], "read_latest": false, "auto_ack": true});
    server.post("/api/v1/events/subscribe", subscribe("sequencing.qc_passed")).await.ok();
    // A program of the other vocabulary joins the same group.
    server.post("/api/v1/events/subscribe", subscribe("QualityControlPassed")).await.ok();
    server.post("/api/v1/events/subscribe", subscribe("ResultsGenerated")).await.refused(409, "group_exists");

    let pull = json!({"consumer": "one", "wait_ms": 0});
    let pulled = server.post("/api/v1/groups/qc/pull", pull).await.ok();
    let mut delivered: Vec<_> =
        pulled["deliveries"].as_array().unwrap().iter().map(|d| d["event"]["event_type"].as_str()).collect();
    delivered.sort_unstable();
    assert_eq!(delivered, [Some("QualityControlPassed"), Some("sequencing.qc_passed")]);
    let shown = server.get("/api/v1/groups/qc").await.ok();
    assert_eq!(shown["filter"]["types"], json!(["sequencing.qc_passed"]));
}

#[tokio::test]
async fn the_latest_events_know_the_groups_of_every_spelling() {
    let server = Server::new().await;
    let group = json!({"name": "qc", "filter": {"types": ["QualityControlPassed"]}, "start": "beginning"});
    server.post("/api/v1/groups", group).await.ok();
    server.publish("sequencing.qc_passed", "run-1").await;
    let recent = server.get("/api/events/recent").await.ok();
    assert_eq!(recent["events"][0]["status"], "pending", "the group has yet to deliver it");
}

#[tokio::test]
async fn the_known_types_are_listed_with_every_spelling() {
    let listed = Server::new().await.get("/api/v1/types").await.ok();
    let of = |name: &str| {
        let found = listed["types"].as_array().unwrap().iter().find(|known| known["type"] == name);
        found.unwrap_or_else(|| panic!("{name}: {listed}"))["aliases"].clone()
    };
    assert_eq!(of("QualityControlPassed"), json!(["sequencing.qc_passed"]));
    assert_eq!(of("TemperatureThresholdExceeded"), json!(["TemperatureAlert", "storage.temperature_alert"]));
}

#[tokio::test]
async fn a_program_names_aliases_of_its_own() {
    let mut config = Config::default();
    config.types = Aliases::of([("Patient.Created", ["PATIENT_CREATED"])]).unwrap();
    let server = Server::with(config).await;
    server.publish("PATIENT_CREATED", "patient-1").await;
    let page = server.get("/api/v1/log?types=Patient.*").await.ok();
    assert_eq!(types(&page["events"]), ["PATIENT_CREATED"]);
    assert_eq!(server.get("/api/v1/types").await.ok()["types"].as_array().unwrap().len(), 1);
}
