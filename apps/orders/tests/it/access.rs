//! Who may do what, with keys.

use axum::http::Method;
use gesta_core::Tenant;
use gesta_server::{
    Config,
    auth::{
        Permission,
        keys::{Granted, make},
    },
};
use serde_json::json;

use crate::running::{Running, id, new_order};

/// Every route of the application, with a body it takes.
fn routes() -> Vec<(Method, String, serde_json::Value)> {
    let (order, customer) = (format!("/api/v1/orders/{}", id(1)), format!("/api/v1/customers/{}", id(7)));
    let document: serde_json::Value = serde_json::from_str(&orders::document()).expect("a document");
    let paths = document["paths"].as_object().expect("paths");
    let mut routes = Vec::new();
    for (path, item) in paths {
        for method in item.as_object().expect("operations").keys() {
            let id = if path.contains("customers") { &customer } else { &order };
            let path = path.replace("/api/v1/customers/{id}", id).replace("/api/v1/orders/{id}", id);
            let path = if method == "get" && path == "/api/v1/orders" {
                format!("{path}?status=ACTIVE")
            } else {
                path
            };
            routes.push((method.to_uppercase().parse().expect("a method"), path, json!({})));
        }
    }
    assert_eq!(routes.len(), 23);
    routes
}

#[tokio::test]
async fn a_route_asks_for_a_key_of_its_tenant_with_its_permission() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("keys.json");
    let ours = Tenant::default();
    let theirs: Tenant = "north".parse().unwrap();
    let reads = make(&file, &ours, Granted::Some(vec![Permission::StreamRead])).unwrap().key;
    let writes = make(&file, &ours, Granted::All).unwrap();
    let stranger = make(&file, &theirs, Granted::All).unwrap().key;
    let mut config = Config::default();
    config.keys_file = Some(file);
    let app = Running::with(config).await;

    let bearer = format!("Bearer {}", writes.key);
    let created =
        app.send(Method::POST, "/api/v1/orders", &[("authorization", &bearer)], Some(new_order(1, 7))).await;
    assert_eq!(created.status, 201);
    let mut refused = 0;
    for (method, path, body) in routes() {
        let ask = async |key: &str| {
            let bearer = format!("Bearer {key}");
            let headers = [("authorization", bearer.as_str())];
            let body = (method != Method::GET).then(|| body.clone());
            let headers = if key.is_empty() { &headers[..0] } else { &headers[..] };
            app.send(method.clone(), &path, headers, body).await.status
        };
        assert_eq!(ask("").await, 401, "{method} {path} without a key");
        assert_eq!(ask(&reads).await == 403, method != Method::GET, "{method} {path} with a key that reads");
        let status = ask(&stranger).await;
        // A body that is no command of this route is refused before anything is looked at; it tells nothing.
        assert!(status == 403 || (status == 422 && method != Method::GET), "{method} {path}: {status}");
        refused += usize::from(status == 403);
    }
    assert!(refused >= 8, "{refused}");
    let stranger = format!("Bearer {stranger}");
    let theirs = app
        .send(Method::POST, "/api/v1/orders", &[("authorization", &stranger)], Some(new_order(2, 7)))
        .await;
    assert_eq!(theirs.status, 403, "{theirs:?}");
    assert_eq!(app.store.head().await.unwrap().position.get(), 1, "nobody else wrote anything");

    let events = app
        .send(Method::GET, &format!("/api/v1/orders/{}/events", id(1)), &[("authorization", &bearer)], None)
        .await;
    assert_eq!(events.body["items"][0]["user_id"], json!(format!("key:{}", writes.id)));
}
