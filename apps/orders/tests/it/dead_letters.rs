//! OR-36: what a read model cannot take is listed, counted, replayed and given up over HTTP.

use gesta_core::NewEvent;
use serde_json::{Value, json};

use crate::running::{Running, id};

const LETTERS: &str = "/api/v1/processors/order-read-model/dead-letters";

#[tokio::test]
async fn an_order_with_an_event_of_a_newer_release_stands_still_until_it_is_given_up() {
    let app = Running::start().await;
    let path = app.place(1, 7).await;
    let newer =
        NewEvent { schema_version: 9, ..NewEvent::new("OrderConfirmed", r#"{"confirmed_at":"later"}"#) };
    let other = NewEvent::json(
        "OrderCancelled",
        &json!({"cancelled_at": "2026-01-31T08:30:00Z", "reason": "too late"}),
    );
    let stream = format!("order-{}", id(1));
    for event in [newer, other.expect("JSON")] {
        app.append(&stream, event).await;
    }
    app.place(2, 7).await;
    let held = |body: &Value| body["dead_letters"][0]["held"] == 1;
    let letters = app.until(LETTERS, held).await;
    let letter = &letters["dead_letters"][0];
    assert_eq!(letter["stream_id"], json!(stream));
    assert_eq!((&letter["version"], &letter["event_type"]), (&json!(2), &json!("OrderConfirmed")));
    assert_eq!((letter.get("event"), letter.get("tenant")), (None, None), "its content stays where it is");
    assert!(letter["reason"].as_str().is_some_and(|reason| reason.contains("position")), "{letter}");
    let joined = app.get(&format!("{LETTERS}?events=true")).await.body;
    assert_eq!(joined["dead_letters"][0]["event"]["payload"], json!({"confirmed_at": "later"}));
    let counted = app.get(&format!("{LETTERS}/statistics")).await.body;
    assert_eq!(
        (&counted["count"], &counted["by_type"][0]["event_type"]),
        (&json!(1), &json!("OrderConfirmed"))
    );
    let shown = app.get("/api/v1/processors/order-read-model").await.body;
    assert_eq!((&shown["dead_letters"], &shown["state"]), (&json!(1), &json!("running")));
    let is_now = |status: &'static str| move |body: &Value| body["status"] == status;
    app.until(&path, is_now("Created")).await;

    // It fails again, and is given up then.
    let ids = json!({"event_ids": [letter["event_id"]]});
    assert_eq!(app.post(&format!("{LETTERS}/replay"), ids).await.body, json!({"count": 1}));
    app.until(LETTERS, |body| body["dead_letters"][0]["attempts"] == 2).await;
    let refused = app.post(&format!("{LETTERS}/discard"), json!({"all": true})).await;
    assert!(refused.refusal().starts_with("422 invalid_field"), "{refused:?}");
    let why = json!({"all": true, "reason": "written by mistake"});
    assert_eq!(app.post(&format!("{LETTERS}/discard"), why).await.body, json!({"count": 1}));
    app.until(LETTERS, |body| body["dead_letters"] == json!([])).await;
    app.until(&path, is_now("Cancelled")).await;
}
