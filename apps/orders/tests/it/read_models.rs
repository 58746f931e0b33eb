//! The read models: what they answer, what they do when something is wrong, and that each is rebuilt alone.

use gesta_core::NewEvent;
use orders::read_models;
use serde_json::{Value, json};

use crate::running::{Answer, Running, id, parcel};

fn listed(answer: &Answer) -> Vec<(String, String)> {
    assert_eq!(answer.status, 200, "{answer:?}");
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    let items = answer.body["items"].as_array().expect("items");
    items.iter().map(|item| (text(&item["order_id"]), text(&item["status"]))).collect()
}

/// Three orders of customer 7 and one of customer 8: Created, Confirmed, Shipped; Cancelled.
async fn four_orders(app: &Running) {
    for (order, customer) in [(1, 7), (2, 7), (3, 7), (4, 8)] {
        app.place(order, customer).await;
    }
    let path = |order: u128, command: &str| format!("/api/v1/orders/{}/{command}", id(order));
    for order in [2, 3] {
        app.does(&path(order, "confirm"), json!({})).await;
    }
    app.does(&path(3, "ship"), parcel()).await;
    app.does(&path(4, "cancel"), json!({"reason": "too late"})).await;
    app.settle().await;
}

#[tokio::test]
async fn orders_are_found_by_customer_and_by_status_newest_first() {
    let app = Running::start().await;
    four_orders(&app).await;
    let of = |order: u128, status: &str| (id(order), status.to_owned());
    let customer = app.get(&format!("/api/v1/orders?customer_id={}", id(7))).await;
    assert_eq!(listed(&customer), [of(3, "Shipped"), of(2, "Confirmed"), of(1, "Created")]);
    let active = app.get("/api/v1/orders?status=ACTIVE").await;
    assert_eq!(listed(&active), [of(3, "Shipped"), of(2, "Confirmed"), of(1, "Created")]);
    assert_eq!(listed(&app.get("/api/v1/orders?status=cancelled").await), [of(4, "Cancelled")]);
    assert_eq!(listed(&app.get("/api/v1/orders?status=Delivered").await), []);

    let cancelled = app.get(&format!("/api/v1/orders/{}", id(4))).await;
    assert_eq!((cancelled.status, &cancelled.body["status"]), (200, &json!("Cancelled")), "the row is kept");
}

#[tokio::test]
async fn lists_come_page_by_page_and_a_page_behind_the_last_is_empty() {
    let app = Running::start().await;
    four_orders(&app).await;
    let page = |page: u32| format!("/api/v1/orders?status=ACTIVE&page={page}&page_size=2");
    let first = app.get(&page(1)).await;
    let counts = |answer: &Answer| {
        ["total_count", "page", "page_size", "has_next", "has_previous"]
            .map(|key| answer.body[key].to_string())
            .join(" ")
    };
    assert_eq!((listed(&first).len(), counts(&first)), (2, "3 1 2 true false".into()));
    let second = app.get(&page(2)).await;
    assert_eq!((listed(&second).len(), counts(&second)), (1, "3 2 2 false true".into()));
    let behind = app.get(&page(7)).await;
    assert_eq!((listed(&behind).len(), counts(&behind)), (0, "3 7 2 false true".into()));
}

/// A write can be read at once: the order that was just placed is there, and a list waits for a position.
#[tokio::test]
async fn what_was_written_is_read() {
    let app = Running::start().await;
    for order in 1..20 {
        let path = app.place(order, 7).await;
        assert_eq!(app.get(&path).await.status, 200, "the order just placed");
        let confirmed = app.does(&format!("{path}/confirm"), json!({})).await;
        let position = confirmed.header("gesta-position").to_owned();
        let list = app.get(&format!("/api/v1/orders?status=Confirmed&after_position={position}")).await;
        assert_eq!(listed(&list)[0].0, id(order));
    }
}

/// A query that must see what a paused read model has not seen says so, at once.
#[tokio::test]
async fn a_read_model_that_stands_still_says_so_to_who_must_see_more() {
    let app = Running::start().await;
    four_orders(&app).await;
    let processor = "/api/v1/processors/orders-by-status";
    app.does(&format!("{processor}/pause"), json!({})).await;
    app.until(processor, |processor| processor["state"] == json!("paused")).await;
    let path = app.place(5, 9).await;
    let position = app.does(&format!("{path}/confirm"), json!({})).await.header("gesta-position").to_owned();
    let question = format!("/api/v1/orders?status=Confirmed&after_position={position}");
    let behind = app.get(&question).await;
    assert_eq!((behind.status, &behind.body["code"]), (503, &json!("ReadModelBehind")), "{behind:?}");
    assert_eq!(listed(&app.get("/api/v1/orders?status=Confirmed").await).len(), 1, "as it stands");
    assert_eq!(app.get(&path).await.status, 200, "the others go on");
    app.does(&format!("{processor}/resume"), json!({})).await;
    assert_eq!(listed(&app.get(&question).await)[0].0, id(5));
}

#[tokio::test]
async fn each_read_model_is_rebuilt_alone_while_the_others_answer() {
    let app = Running::start().await;
    four_orders(&app).await;
    let questions = [
        format!("/api/v1/orders/{}", id(3)),
        format!("/api/v1/orders?customer_id={}", id(7)),
        "/api/v1/orders?status=ACTIVE".to_owned(),
    ];
    let mut before = Vec::new();
    for question in &questions {
        before.push(app.get(question).await.body);
    }
    for name in read_models::NAMES {
        let short = name.strip_suffix("-projection").expect("the ending");
        let processor = format!("/api/v1/processors/{short}");
        app.does(&format!("{processor}/rebuild"), json!({})).await;
        let rebuilt = |processor: &Value| processor["generation"] == 2 && processor["rebuild"].is_null();
        app.until(&processor, rebuilt).await;
        for (question, answer) in questions.iter().zip(&before) {
            assert_eq!(app.get(question).await.body, *answer, "{question} after {name}");
        }
    }
}

#[tokio::test]
async fn a_dropped_table_is_named_and_says_rebuild_and_a_rebuild_mends_it() {
    let app = Running::start().await;
    four_orders(&app).await;
    app.state().execute_batch("DROP TABLE orders_by_customer__1").expect("the table is there");
    let question = format!("/api/v1/orders?customer_id={}", id(7));
    let gone = app.get(&question).await;
    assert_eq!((gone.status, &gone.body["code"]), (503, &json!("ReadModelUnavailable")), "{gone:?}");
    let detail = gone.body["detail"].as_str().expect("a detail");
    assert!(detail.contains("orders_by_customer") && detail.contains("rebuild"), "{detail}");
    assert_eq!(app.get("/api/v1/orders?status=ACTIVE").await.status, 200, "the others answer");

    let path = app.place(5, 9).await;
    assert_eq!(app.get(&path).await.status, 200, "and go on");
    let processor = "/api/v1/processors/orders-by-customer";
    app.does(&format!("{processor}/rebuild"), json!({})).await;
    app.until(processor, |processor| processor["generation"] == 2).await;
    app.settle().await;
    assert_eq!(listed(&app.get(&question).await).len(), 3);
}

/// An event that nothing here understands concerns its own order and nothing else.
#[tokio::test]
async fn an_event_that_no_upcaster_understands_stops_its_order_and_no_other() {
    let app = Running::start().await;
    let path = app.place(1, 7).await;
    let newer = NewEvent {
        schema_version: 9,
        ..NewEvent::new("OrderConfirmed", r#"{"confirmed_at":"2031-01-01T00:00:00Z"}"#)
    };
    app.append(&format!("order-{}", id(1)), newer).await;
    app.append(&format!("order-{}", id(2)), NewEvent::new("OrderTeleported", "{}")).await;

    let refused = app.post(&format!("{path}/confirm"), json!({})).await;
    assert_eq!((refused.status, &refused.body["code"]), (500, &json!("event_not_understood")));
    let detail = refused.body["detail"].as_str().expect("a detail");
    assert!(
        detail.contains("OrderConfirmed") && detail.contains('9') && detail.contains("version"),
        "{detail}"
    );
    assert_eq!(app.get(&format!("{path}?version=1")).await.status, 200, "the version before it is there");
    assert_eq!(app.get(&format!("/api/v1/orders/{}", id(2))).await.status, 500);
    assert_eq!(
        app.get(&format!("{path}/events")).await.body["total_count"],
        json!(2),
        "and can be looked at"
    );

    let other = app.place(3, 7).await;
    app.does(&format!("{other}/confirm"), json!({})).await;
    app.settle().await;
    let list = app.get(&format!("/api/v1/orders?customer_id={}", id(7))).await;
    assert_eq!(listed(&list)[0], (id(3), "Confirmed".to_owned()), "the read models go on");
}

/// Whoever may append to streams may write what no command would: it is left out, and no list is the worse for it.
#[tokio::test]
async fn events_in_streams_of_no_order_are_left_out_and_the_lists_answer() {
    let app = Running::start().await;
    app.place(0xab, 7).await;
    let fields = json!({"customer_id": id(7), "items": [], "created_at": "2026-01-01T00:00:00Z"}).to_string();
    for stream in ["order-foo".to_owned(), format!("order-{}", id(0xcd).to_uppercase())] {
        app.append(&stream, NewEvent::new("OrderCreated", fields.clone())).await;
    }
    let last = app.place(2, 7).await;
    app.settle().await;
    let of = |order: u128| (id(order), "Created".to_owned());
    for question in [format!("/api/v1/orders?customer_id={}", id(7)), "/api/v1/orders?status=Created".into()]
    {
        assert_eq!(listed(&app.get(&question).await), [of(2), of(0xab)], "{question}");
    }
    assert_eq!(app.get(&last).await.status, 200);
}

#[tokio::test]
async fn what_a_processor_says_of_itself_is_there() {
    let app = Running::start().await;
    four_orders(&app).await;
    let shown = app.get("/api/v1/processors/order-read-model").await.body;
    assert_eq!(shown["name"], json!("order-read-model-projection"));
    assert_eq!((&shown["processed"], &shown["lag_events"]), (&json!(8), &json!(0)), "{shown}");
    for key in ["last_event_id", "last_processed_at", "position"] {
        assert!(!shown[key].is_null(), "{key}: {shown}");
    }
}
