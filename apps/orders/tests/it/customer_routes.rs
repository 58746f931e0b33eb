//! Customers over HTTP: every command by its name, every rule by its code.

use axum::http::Method;
use serde_json::{Value, json};

use crate::running::{Running, ada, address, id};

fn method(number: u128, is_default: bool) -> Value {
    let method =
        json!({"id": id(number), "method_type": "CreditCard", "last_four": "4242", "is_default": is_default});
    json!({"payment_method": method})
}

/// Asks for these commands in turn and says what each came to.
async fn said(app: &Running, commands: &[(&str, Value)]) -> String {
    let mut said = Vec::new();
    for (command, body) in commands {
        let answer = app.post(&format!("/api/v1/customers/{}/{command}", id(7)), body.clone()).await;
        let came_to = match answer.status {
            200 => format!("version {}", answer.body["version"]),
            _ => answer.refusal(),
        };
        said.push(format!("{command}: {came_to}"));
    }
    said.join("\n")
}

#[tokio::test]
async fn every_command_has_its_route() {
    let app = Running::start().await;
    let registered = app.post("/api/v1/customers", ada(7)).await;
    assert_eq!((registered.status, registered.header("etag")), (201, "\"1\""));
    assert_eq!(registered.body, json!({"customer_id": id(7), "version": 1}));
    let commands = [
        ("update-profile", json!({"first_name": "Augusta", "phone": "1815"})),
        ("change-email", json!({"new_email": "augusta@example.org"})),
        ("change-email", json!({"new_email": "augusta@example.org"})),
        ("change-phone", json!({"new_phone": "1852"})),
        ("add-address", json!({"address_id": id(1), "address": address(), "set_as_default": true})),
        (
            "update-address",
            json!({"address_id": id(1), "address": {"street": "Ockham Park", "city": "Ockham", "state": "SRY", "postal_code": "GU23", "country": "GB"}}),
        ),
        ("add-payment-method", method(1, true)),
        ("add-payment-method", method(2, false)),
        ("remove-payment-method", json!({"payment_method_id": id(2)})),
        ("upgrade-tier", json!({"new_tier": "Gold"})),
        ("suspend", json!({"reason": "unpaid"})),
        ("reactivate", json!({"notes": "paid"})),
        ("remove-address", json!({"address_id": id(1)})),
        ("deactivate", json!({"reason": "gone"})),
    ];
    insta::assert_snapshot!("every_command", said(&app, &commands).await);
    let shown = app.get(&format!("/api/v1/customers/{}?version=6", id(7))).await;
    assert_eq!((shown.status, shown.header("etag")), (200, "\"6\""));
    let mut customer = shown.body;
    for time in ["created_at", "updated_at"] {
        assert!(customer[time].is_string());
        customer[time] = json!("…");
    }
    insta::assert_json_snapshot!("customer_at_version_6", customer);
}

#[tokio::test]
async fn every_broken_rule_has_its_own_code() {
    let app = Running::start().await;
    let unknown = said(&app, &[("suspend", json!({"reason": "unpaid"}))]).await;
    assert!(unknown.contains("404 NotInitialized"), "{unknown}");
    assert_eq!(app.get(&format!("/api/v1/customers/{}", id(7))).await.status, 404);
    let mut registrations = Vec::new();
    for (key, value) in [
        ("first_name", ""),
        ("last_name", " "),
        ("email", ""),
        ("email", "ada"),
        ("email", "a@l"),
        ("email", "a@l"),
    ] {
        let mut customer = ada(7);
        customer[key] = json!(value);
        let answer = app.post("/api/v1/customers", customer).await;
        registrations.push(if answer.status == 201 { "registered".to_owned() } else { answer.refusal() });
    }
    insta::assert_snapshot!("registrations", registrations.join("\n"));

    app.post(
        &format!("/api/v1/customers/{}/add-address", id(7)),
        json!({"address_id": id(1), "address": address()}),
    )
    .await;
    app.post(&format!("/api/v1/customers/{}/add-payment-method", id(7)), method(1, true)).await;
    app.post(&format!("/api/v1/customers/{}/add-payment-method", id(7)), method(2, false)).await;
    let mut other = address();
    other["street"] = json!("elsewhere");
    let commands = [
        ("update-profile", json!({"first_name": ""})),
        ("update-profile", json!({"last_name": ""})),
        ("change-email", json!({"new_email": ""})),
        ("change-email", json!({"new_email": "ada"})),
        ("add-address", json!({"address_id": id(1), "address": other})),
        ("update-address", json!({"address_id": id(9), "address": address()})),
        ("remove-address", json!({"address_id": id(9)})),
        ("add-payment-method", method(1, false)),
        ("remove-payment-method", json!({"payment_method_id": id(9)})),
        ("remove-payment-method", json!({"payment_method_id": id(1)})),
        ("upgrade-tier", json!({"new_tier": "Bronze"})),
        ("reactivate", json!({})),
        ("suspend", json!({"reason": "unpaid"})),
        ("suspend", json!({"reason": "unpaid"})),
        ("change-phone", json!({"new_phone": "1815"})),
        ("deactivate", json!({"reason": "gone"})),
        ("deactivate", json!({"reason": "gone"})),
        ("suspend", json!({"reason": "unpaid"})),
        ("reactivate", json!({})),
        ("upgrade-tier", json!({"new_tier": "Diamond"})),
        ("upgrade-tier", json!({"new_tier": "Gold", "now": true})),
    ];
    insta::assert_snapshot!("broken_rules", said(&app, &commands).await);
}

#[tokio::test]
async fn a_version_that_does_not_hold_is_a_conflict() {
    let app = Running::start().await;
    app.post("/api/v1/customers", ada(7)).await;
    let path = format!("/api/v1/customers/{}/suspend", id(7));
    let stale =
        app.send(Method::POST, &path, &[("if-match", "\"3\"")], Some(json!({"reason": "unpaid"}))).await;
    assert_eq!((stale.status, &stale.body["current_version"]), (409, &json!(1)));
}
