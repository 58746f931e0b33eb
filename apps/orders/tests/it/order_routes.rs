//! Orders over HTTP: replies, refusals with the rule's own code, conditions, retries.

use axum::http::Method;
use gesta_core::NewEvent;
use serde_json::{Value, json};

use crate::running::{Running, ada, id, new_order, parcel};

#[tokio::test]
async fn an_order_goes_its_way_and_every_reply_names_version_and_status() {
    let app = Running::start().await;
    let created = app.post("/api/v1/orders", new_order(1, 7)).await;
    assert_eq!((created.status, created.header("etag")), (201, "\"1\""));
    assert_eq!(created.header("location"), format!("/api/v1/orders/{}", id(1)));
    assert_eq!(created.body, json!({"order_id": id(1), "version": 1, "status": "Created"}));
    let path = format!("/api/v1/orders/{}", id(1));
    for (step, body, version, status) in [
        ("confirm", json!({}), 2, "Confirmed"),
        ("ship", parcel(), 3, "Shipped"),
        ("deliver", json!({"signature": "Ada"}), 4, "Delivered"),
    ] {
        let answer = app.does(&format!("{path}/{step}"), body).await;
        assert_eq!(answer.body, json!({"order_id": id(1), "version": version, "status": status}));
        assert_eq!(answer.header("etag"), format!("\"{version}\""));
    }
    let position = app.store.head().await.unwrap().position;
    let shown = app.get(&format!("{path}?after_position={position}")).await;
    assert_eq!((shown.status, shown.header("etag")), (200, "\"4\""));
    assert_eq!((&shown.body["status"], &shown.body["version"]), (&json!("Delivered"), &json!(4)));
}

#[tokio::test]
async fn a_command_without_a_body_needs_none() {
    let app = Running::start().await;
    let path = app.place(1, 7).await;
    let confirmed = app.send(Method::POST, &format!("{path}/confirm"), &[], None).await;
    assert_eq!((confirmed.status, &confirmed.body["status"]), (200, &json!("Confirmed")));
    let cancelled = app.send(Method::POST, &format!("{path}/cancel"), &[], None).await;
    assert_eq!((cancelled.status, &cancelled.body["status"]), (200, &json!("Cancelled")));
}

/// OR-09: each broken rule has a code of its own, and says what it expects and what is so.
#[tokio::test]
async fn every_broken_rule_has_its_own_code() {
    let app = Running::start().await;
    let placed = app.place(1, 7).await;
    let cancelled = app.place(2, 7).await;
    app.does(&format!("{cancelled}/cancel"), json!({"reason": "too late"})).await;
    let delivered = app.place(3, 7).await;
    app.does(&format!("{delivered}/confirm"), json!({})).await;
    let confirmed_twice = app.post(&format!("{delivered}/confirm"), json!({})).await;
    app.does(&format!("{delivered}/ship"), parcel()).await;
    app.does(&format!("{delivered}/deliver"), json!({})).await;

    let items = |quantity: i64| json!({"items": [{"product_id": id(1), "quantity": quantity}]});
    let order = |items: Value| json!({"customer_id": id(7), "items": items});
    let dear = json!([{"product_id": id(1), "quantity": 2, "unit_price_cents": i64::MAX}]);
    let refund = json!([{"product_id": id(1), "quantity": 1, "unit_price_cents": -1}]);
    let mut said = vec![confirmed_twice.refusal()];
    for answer in [
        app.post("/api/v1/orders", new_order(1, 7)).await,
        app.post("/api/v1/orders", order(json!([]))).await,
        app.post("/api/v1/orders", order(items(0)["items"].clone())).await,
        app.post("/api/v1/orders", order(items(-3)["items"].clone())).await,
        app.post("/api/v1/orders", order(dear)).await,
        app.post("/api/v1/orders", order(refund)).await,
        app.put(&format!("{placed}/items"), json!({"items": []})).await,
        app.put(&format!("{placed}/items"), items(0)).await,
        app.put(&format!("{delivered}/items"), items(1)).await,
        app.put(&format!("{cancelled}/items"), items(1)).await,
        app.post(&format!("{placed}/ship"), parcel()).await,
        app.post(&format!("{placed}/deliver"), json!({})).await,
        app.post(&format!("{delivered}/ship"), parcel()).await,
        app.post(&format!("{delivered}/cancel"), json!({})).await,
        app.post(&format!("{cancelled}/cancel"), json!({})).await,
        app.post(&format!("/api/v1/orders/{}/confirm", id(99)), json!({})).await,
        app.get(&format!("/api/v1/orders/{}", id(99))).await,
        app.get(&format!("/api/v1/orders/{}/events", id(99))).await,
    ] {
        said.push(answer.refusal());
    }
    insta::assert_snapshot!(said.join("\n"));
}

#[tokio::test]
async fn what_cannot_be_understood_is_refused_before_anything_happens() {
    let app = Running::start().await;
    let path = app.place(1, 7).await;
    let with = |key: &str, value: Value| {
        let mut order = new_order(5, 7);
        order[key] = value;
        order
    };
    for (status, answer) in [
        (422, app.post("/api/v1/orders", with("colour", json!("red"))).await),
        (
            422,
            app.post("/api/v1/orders", with("items", json!([{"product_id": id(1), "quantity": 1, "x": 1}])))
                .await,
        ),
        (
            422,
            app.post(
                "/api/v1/orders",
                with("items", json!([{"product_id": id(1), "quantity": 2_147_483_648_u64}])),
            )
            .await,
        ),
        (422, app.post("/api/v1/orders", with("items", json!([{"product_id": id(1)}]))).await),
        (422, app.post("/api/v1/orders", with("order_id", json!("seven"))).await),
        (422, app.post("/api/v1/orders", json!({"customer_id": id(7)})).await),
        (422, app.post(&format!("{path}/confirm"), json!({"now": true})).await),
        (400, app.post("/api/v1/orders/seven/confirm", json!({})).await),
        (400, app.get("/api/v1/orders/seven").await),
        (400, app.get(&format!("{path}?version=0")).await),
        (400, app.get(&format!("{path}?version=1&at=2026-01-01T00:00:00Z")).await),
        (400, app.get(&format!("{path}?at=yesterday")).await),
        (400, app.get(&format!("{path}?colour=red")).await),
        (400, app.get("/api/v1/orders").await),
        (400, app.get(&format!("/api/v1/orders?status=Created&customer_id={}", id(7))).await),
        (400, app.get("/api/v1/orders?status=Lost").await),
        (400, app.get("/api/v1/orders?customer_id=seven").await),
        (400, app.get("/api/v1/orders?status=Created&page=0").await),
        (400, app.get("/api/v1/orders?status=Created&page_size=101").await),
        (415, app.send(Method::POST, "/api/v1/orders", &[], None).await),
    ] {
        assert_eq!(answer.status, status, "{answer:?}");
        assert_eq!(answer.header("content-type"), "application/problem+json");
    }
    assert_eq!(app.store.head().await.unwrap().position.get(), 1, "nothing but the one order");
}

#[tokio::test]
async fn a_version_that_does_not_hold_is_a_conflict_with_both_versions() {
    let app = Running::start().await;
    let path = app.place(1, 7).await;
    let confirm = format!("{path}/confirm");
    let stale = app.send(Method::POST, &confirm, &[("if-match", "\"7\"")], Some(json!({}))).await;
    assert_eq!((stale.status, &stale.body["code"]), (409, &json!("version_conflict")));
    assert_eq!((&stale.body["expected_version"], &stale.body["current_version"]), (&json!(7), &json!(1)));
    let fresh = app.send(Method::POST, &confirm, &[("if-match", "\"1\"")], Some(json!({}))).await;
    assert_eq!(fresh.status, 200);
    let illegal = app.send(Method::POST, &confirm, &[("if-match", "seven")], Some(json!({}))).await;
    assert_eq!(illegal.status, 400);
}

/// OR-43.
#[tokio::test]
async fn equal_items_leave_the_version_as_it_is() {
    let app = Running::start().await;
    let path = app.place(1, 7).await;
    let items = json!({"items": new_order(1, 7)["items"]});
    let answer = app.put(&format!("{path}/items"), items).await;
    assert_eq!((answer.status, &answer.body["version"]), (200, &json!(1)));
    assert_eq!(app.store.head().await.unwrap().position.get(), 1);
}

#[tokio::test]
async fn the_same_key_gives_the_first_result_again_and_another_body_is_refused() {
    let app = Running::start().await;
    let key = [("idempotency-key", "checkout-1")];
    let order = json!({"customer_id": id(7), "items": [{"product_id": id(1), "quantity": 1}]});
    let first = app.send(Method::POST, "/api/v1/orders", &key, Some(order.clone())).await;
    assert_eq!(first.status, 201);
    let path = format!("/api/v1/orders/{}", first.body["order_id"].as_str().unwrap());
    app.does(&format!("{path}/confirm"), json!({})).await;
    let again = app.send(Method::POST, "/api/v1/orders", &key, Some(order)).await;
    assert_eq!((again.status, &again.body), (201, &first.body), "the first result, though the order went on");

    let other = json!({"customer_id": id(7), "items": [{"product_id": id(1), "quantity": 9}]});
    let reused = app.send(Method::POST, "/api/v1/orders", &key, Some(other)).await;
    assert_eq!((reused.status, &reused.body["code"]), (422, &json!("idempotency_key_reused")));
    assert_eq!(app.store.head().await.unwrap().position.get(), 2);
}

/// A client that thinks of a new id for each try makes one order and not two.
#[tokio::test]
async fn the_same_key_with_another_id_makes_no_second_order() {
    let app = Running::start().await;
    let key = [("idempotency-key", "checkout-1")];
    let place = |order| app.send(Method::POST, "/api/v1/orders", &key, Some(new_order(order, 7)));
    let first = place(1).await;
    assert_eq!(first.status, 201, "{first:?}");
    let second = place(2).await;
    assert_eq!((second.status, &second.body["code"]), (422, &json!("idempotency_key_reused")), "{second:?}");
    assert_eq!(place(1).await.body, first.body, "the first result");

    let register = |customer| app.send(Method::POST, "/api/v1/customers", &key, Some(ada(customer)));
    assert_eq!(
        (register(8).await.status, register(9).await.status),
        (201, 422),
        "a key counts for each command"
    );
    assert_eq!(app.store.head().await.unwrap().position.get(), 2);
}

#[tokio::test]
async fn a_key_counts_for_each_command_to_each_order() {
    let app = Running::start().await;
    let (one, other) = (app.place(1, 7).await, app.place(2, 7).await);
    let key = [("idempotency-key", "evening-1")];
    let ask = |path: String, body: Value| {
        let app = &app;
        async move { app.send(Method::POST, &path, &key, Some(body)).await }
    };
    let first = ask(format!("{one}/confirm"), json!({})).await;
    for (path, body, version) in
        [(format!("{other}/confirm"), json!({}), 2), (format!("{one}/ship"), parcel(), 3)]
    {
        let answer = ask(path, body).await;
        assert_eq!((answer.status, &answer.body["version"]), (200, &json!(version)), "{answer:?}");
    }
    let again = ask(format!("{one}/confirm"), json!({})).await;
    assert_eq!((again.status, &again.body), (200, &first.body), "the first result");
    assert_eq!(app.store.head().await.unwrap().position.get(), 5);
}

/// Retries cross releases: what follows from a key is an interface.
#[tokio::test]
async fn what_follows_from_a_key_never_changes() {
    let app = Running::start().await;
    let key = [("idempotency-key", "checkout-1")];
    let order = json!({"customer_id": id(7), "items": [{"product_id": id(1), "quantity": 1}]});
    let placed = app.send(Method::POST, "/api/v1/orders", &key, Some(order)).await;
    assert_eq!(placed.body["order_id"], "805f7a16-cb21-5e00-900d-e5f01b20e7b2");
    let path = "/api/v1/orders/805f7a16-cb21-5e00-900d-e5f01b20e7b2";
    app.send(Method::POST, &format!("{path}/confirm"), &key, None).await;
    let events = app.get(&format!("{path}/events")).await.body;
    let told =
        [0, 1].map(|at| [&events["items"][at]["causation_id"], &events["items"][at]["metadata"]["request"]]);
    let created = ["830fdfe0-19bf-5999-990f-1b10af6adae9", "60aa5846-99cb-573f-8e22-801e5db7b2a7"];
    let confirmed = ["5d261164-97af-55e6-80d6-44d6ac95f97f", "fcbc04bb-ccd2-5906-bab2-88232129fce8"];
    assert_eq!(told, [created, confirmed]);
}

/// OR-50: user, causation, correlation and trace survive.
#[tokio::test]
async fn an_event_keeps_who_asked_and_why() {
    let app = Running::start().await;
    let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let headers = [
        ("x-correlation-id", "checkout-7"),
        ("x-causation-id", "basket-3"),
        ("x-user-id", "ada"),
        ("traceparent", trace),
    ];
    app.send(Method::POST, "/api/v1/orders", &headers, Some(new_order(1, 7))).await;
    app.does(&format!("/api/v1/orders/{}/confirm", id(1)), json!({})).await;
    let events = app.get(&format!("/api/v1/orders/{}/events", id(1))).await;
    let (created, confirmed) = (&events.body["items"][0], &events.body["items"][1]);
    let text = |event: &Value, key: &str| event[key].as_str().unwrap_or_default().to_owned();
    assert_eq!(
        (text(created, "correlation_id"), text(created, "causation_id")),
        ("checkout-7".into(), "basket-3".into())
    );
    assert_eq!(
        (text(created, "user_id"), text(created, "event_type")),
        ("ada".into(), "OrderCreated".into())
    );
    assert_eq!(created["metadata"], json!({"source": "orders", "traceparent": trace}));
    assert_eq!((&created["sequence_number"], &created["event_version"]), (&json!(1), &json!(1)));
    assert_eq!(created["event_data"]["customer_id"], json!(id(7)));
    assert_eq!(text(confirmed, "user_id"), "local", "whoever reaches a server without keys");
    assert!(!text(confirmed, "correlation_id").is_empty() && !text(confirmed, "causation_id").is_empty());
}

#[tokio::test]
async fn events_come_page_by_page_and_a_page_behind_the_last_is_empty() {
    let app = Running::start().await;
    let path = app.place(1, 7).await;
    app.does(&format!("{path}/confirm"), json!({})).await;
    app.does(&format!("{path}/ship"), parcel()).await;
    let page = |page: u32| format!("{path}/events?page={page}&page_size=2");
    let second = app.get(&page(2)).await.body;
    let counts =
        ["total_count", "page", "page_size", "has_next", "has_previous"].map(|key| second[key].clone());
    assert_eq!(counts, [json!(3), json!(2), json!(2), json!(false), json!(true)]);
    assert_eq!(
        (second["items"].as_array().unwrap().len(), &second["items"][0]["event_type"]),
        (1, &json!("OrderShipped"))
    );
    let behind = app.get(&page(9)).await;
    assert_eq!(
        (behind.status, &behind.body["items"], &behind.body["has_next"]),
        (200, &json!([]), &json!(false))
    );
}

#[tokio::test]
async fn a_page_of_large_events_is_refused_and_a_smaller_one_is_shown() {
    let app = Running::start().await;
    let path = app.place(1, 7).await;
    let data = json!({"confirmed_at": "x".repeat(1_000_000)}).to_string();
    for _ in 0..9 {
        app.append(&format!("order-{}", id(1)), NewEvent::new("OrderNoted", data.clone())).await;
    }
    let whole = app.get(&format!("{path}/events")).await;
    assert_eq!(whole.status, 400, "{}", whole.body["detail"]);
    assert!(whole.body["detail"].as_str().unwrap().contains("page_size"), "{whole:?}");
    let some = app.get(&format!("{path}/events?page_size=5")).await;
    assert_eq!((some.status, some.body["items"].as_array().unwrap().len()), (200, 5));
}

/// OR-23.
#[tokio::test]
async fn an_order_is_shown_as_it_was_at_a_version_and_at_a_time() {
    let app = Running::start().await;
    let path = app.place(1, 7).await;
    app.does(&format!("{path}/confirm"), json!({})).await;
    app.does(&format!("{path}/ship"), parcel()).await;
    let second = app.get(&format!("{path}?version=2")).await;
    assert_eq!((second.header("etag"), &second.body["status"]), ("\"2\"", &json!("Confirmed")));
    assert_eq!(app.get(&format!("{path}?version=5")).await.body["tracking_number"], json!("TRACK-123-XYZ"));

    let events = app.get(&format!("{path}/events")).await.body;
    let confirmed_at = events["items"][1]["timestamp"].as_str().unwrap().to_owned();
    let then = app.get(&format!("{path}?at={confirmed_at}")).await;
    assert_eq!((then.status, &then.body["version"]), (200, &json!(2)));
    assert_eq!(app.get(&format!("{path}?at=2001-01-01T00:00:00Z")).await.status, 404);
}

/// OR-40, OR-42: of many who ask at once one is the first, and the others are told what is so.
#[tokio::test]
async fn of_many_who_ask_at_once_one_wins() {
    let app = Running::start().await;
    let ask = async |path: String, body: Value| {
        let answers = futures_util::future::join_all((0..16).map(|_| app.post(&path, body.clone()))).await;
        let mut said: Vec<_> =
            answers.iter().map(|answer| (answer.status, answer.body["code"].clone())).collect();
        said.sort_by_key(|(status, _)| *status);
        said
    };
    let created = ask("/api/v1/orders".into(), new_order(1, 7)).await;
    assert_eq!(created[0], (201, Value::Null));
    assert!(created[1..].iter().all(|said| *said == (409, json!("AlreadyExists"))), "{created:?}");
    let confirmed = ask(format!("/api/v1/orders/{}/confirm", id(1)), json!({})).await;
    assert_eq!(confirmed[0], (200, Value::Null));
    assert!(confirmed[1..].iter().all(|said| *said == (409, json!("AlreadyConfirmed"))), "{confirmed:?}");
    assert_eq!(app.store.head().await.unwrap().position.get(), 2);
}
