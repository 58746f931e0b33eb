//! OR-23: what the events of an aggregate add up to, at any version and time, and who set a field.

use gesta_server::{Backend, Config};
use serde_json::json;

use crate::{
    lamp::{LampCommand, Lamps},
    support::Server,
};

/// Lit red, noted, darkened, lit green: versions 1 to 4.
async fn lamp() -> Server {
    let backend = Backend::memory();
    let lamps = Lamps::of(&backend);
    let commands =
        [LampCommand::Light("red"), LampCommand::Note("n"), LampCommand::Darken, LampCommand::Light("green")];
    for command in commands {
        lamps.tell("default", "1", command).await;
    }
    Server::of(lamps.embedded(backend, Config::default())).await
}

#[tokio::test]
async fn a_state_is_shown_as_of_any_version() {
    let server = lamp().await;
    assert_eq!(server.get("/api/v1/aggregates").await.ok(), json!({"categories": ["lamp"]}));
    let latest = server.get("/api/v1/aggregates/lamp/1").await;
    assert_eq!(latest.etag(), "\"4\"");
    let shown = latest.ok();
    assert_eq!(
        (&shown["category"], &shown["id"], &shown["version"]),
        (&json!("lamp"), &json!("1"), &json!(4))
    );
    assert_eq!(shown["state"], json!({"colour": "green", "lit": true, "notes": ["n"]}));
    let early = server.get("/api/v1/aggregates/lamp/1?version=1").await;
    assert_eq!((early.etag(), &early.ok()["state"]["colour"]), ("\"1\"", &json!("red")));
    let same = server.header("if-none-match", "\"4\"").get("/api/v1/aggregates/lamp/1").await;
    assert_eq!((same.status.as_u16(), &*same.body), (304, ""));
}

#[tokio::test]
async fn a_state_is_shown_as_of_any_time() {
    let server = lamp().await;
    let stream = server.get("/api/v1/streams/lamp-1").await.ok();
    let at = |index: usize| stream["events"][index]["recorded_at"].as_str().unwrap().to_owned();
    let third = server.get(&format!("/api/v1/aggregates/lamp/1?at={}", at(2))).await.ok();
    assert!(third["version"].as_u64() >= Some(3), "{third}");
    assert_eq!(server.get("/api/v1/aggregates/lamp/1?at=2999-01-01T00:00:00Z").await.ok()["version"], 4);
    let before = server.get("/api/v1/aggregates/lamp/1?at=2001-01-01T00:00:00Z").await;
    let problem = before.refused(404, "aggregate_not_found");
    assert!(problem["detail"].as_str().unwrap().contains("no event until 2001"), "{problem}");
}

#[tokio::test]
async fn two_versions_are_compared_field_by_field() {
    let server = lamp().await;
    let diff = server.get("/api/v1/aggregates/lamp/1/diff?from=1&to=3").await.ok();
    let changes = json!([
        {"path": "/colour", "before": "red", "after": null},
        {"path": "/lit", "before": true, "after": false},
        {"path": "/notes/0", "after": "n"},
    ]);
    assert_eq!((&diff["from"], &diff["to"], &diff["changes"]), (&json!(1), &json!(3), &changes));
    let back = server.get("/api/v1/aggregates/lamp/1/diff?from=3&to=1").await.ok();
    assert_eq!(back["changes"][0], json!({"path": "/colour", "before": null, "after": "red"}));
    let whole = server.get("/api/v1/aggregates/lamp/1/diff").await.ok();
    assert_eq!((&whole["from"], &whole["to"]), (&json!(0), &json!(4)));
    let nothing = server.get("/api/v1/aggregates/lamp/1/diff?from=0&to=0").await.ok();
    assert_eq!((&nothing["to"], &nothing["changes"]), (&json!(0), &json!([])), "before the first event");
    server.get("/api/v1/aggregates/lamp/2/diff?from=0&to=0").await.refused(404, "aggregate_not_found");
    server.get("/api/v1/aggregates/lamp/1/diff?from=1&to=9").await.refused(404, "aggregate_not_found");
    server.get("/api/v1/aggregates/lamp/1/diff?from=9&to=1").await.refused(404, "aggregate_not_found");
}

#[tokio::test]
async fn the_events_that_set_a_field_are_named() {
    let server = lamp().await;
    let stream = server.get("/api/v1/streams/lamp-1").await.ok();
    let history = server.get("/api/v1/aggregates/lamp/1/history?field=/colour").await.ok();
    let set = |at: usize| &history["changes"][at];
    let versions: Vec<_> = history["changes"].as_array().unwrap().iter().map(|set| &set["version"]).collect();
    assert_eq!(versions, [&json!(1), &json!(3), &json!(4)]);
    assert_eq!(set(1)["event_id"], stream["events"][2]["id"]);
    assert_eq!((&set(1)["event_type"], &set(1)["user_id"]), (&json!("LampDarkened"), &json!("ada")));
    assert_eq!((&set(2)["before"], &set(2)["after"]), (&json!(null), &json!("green")));
    let latest = server.get("/api/v1/aggregates/lamp/1/history?field=/colour&limit=1").await.ok();
    assert_eq!(latest["changes"].as_array().unwrap().len(), 1);
    assert_eq!((&latest["changes"][0]["version"], &latest["cut"]), (&json!(4), &json!(true)));
    assert_eq!(history["cut"], false);
    let whole = server.get("/api/v1/aggregates/lamp/1/history").await.ok();
    assert_eq!(whole["changes"].as_array().unwrap().len(), 4);
    let none = server.get("/api/v1/aggregates/lamp/1/history?field=/weight").await.ok();
    assert_eq!(none["changes"], json!([]));
    server.get("/api/v1/aggregates/lamp/2/history?field=/colour").await.refused(404, "aggregate_not_found");
}

#[tokio::test]
async fn what_is_not_there_is_told_apart() {
    let server = lamp().await;
    let beyond = server.get("/api/v1/aggregates/lamp/1?version=7").await.refused(404, "aggregate_not_found");
    assert_eq!(beyond["detail"], "lamp 1 is at version 4, not yet at 7");
    server.get("/api/v1/aggregates/lamp/2").await.refused(404, "aggregate_not_found");
    server.tenant("other").get("/api/v1/aggregates/lamp/1").await.refused(404, "aggregate_not_found");
    let unknown = server.get("/api/v1/aggregates/ship/1").await.refused(404, "category_not_found");
    assert!(unknown["detail"].as_str().unwrap().contains("it knows lamp"), "{unknown}");
    server.get("/api/v1/aggregates/lamp/a%2Fb%00").await.refused(400, "illegal_stream");
    for bad in ["version=0", "version=1&at=2026-01-01T00:00:00Z", "at=noon", "colour=red"] {
        let path = format!("/api/v1/aggregates/lamp/1?{bad}");
        server.get(&path).await.refused(400, "malformed_request");
    }
    server.get("/api/v1/aggregates/lamp/1/history?field=colour").await.refused(400, "malformed_request");
}

#[tokio::test]
async fn an_event_that_no_code_understands_is_named_and_harms_no_other_stream() {
    let server = lamp().await;
    let strange = json!({"events": [{"type": "LampMelted", "data": {}, "schema_version": 7}]});
    server.post("/api/v1/streams/lamp-1", strange).await.ok();
    let problem = server.get("/api/v1/aggregates/lamp/1").await.refused(500, "event_not_understood");
    let detail = problem["detail"].as_str().unwrap();
    for part in ["lamp-1", "event 5", "LampMelted", "schema version 7"] {
        assert!(detail.contains(part), "{detail} lacks {part}");
    }
    assert_eq!(server.get("/api/v1/aggregates/lamp/1?version=4").await.ok()["version"], 4);
    server
        .post("/api/v1/streams/lamp-9", json!({"events": [{"type": "LampDarkened", "data": {}}]}))
        .await
        .ok();
    server.get("/api/v1/aggregates/lamp/9").await.ok();
}

#[tokio::test]
async fn a_server_without_an_application_says_that_it_knows_none() {
    let server = Server::new().await;
    assert_eq!(server.get("/api/v1/aggregates").await.ok(), json!({"categories": []}));
    let unknown = server.get("/api/v1/aggregates/order/1").await.refused(404, "category_not_found");
    assert!(unknown["detail"].as_str().unwrap().contains("it knows none"), "{unknown}");
}
