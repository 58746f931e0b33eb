//! Long streams: an order that changes often is not folded from its beginning for ever.

use serde_json::json;

use crate::running::{Running, id};

/// The preset: a snapshot every 100 events, the last three kept. States of this application can be kept and read back.
#[tokio::test]
async fn an_order_of_many_changes_has_snapshots_and_goes_on_from_them() {
    let app = Running::start().await;
    let path = app.place(1, 7).await;
    for quantity in 2..450 {
        let items = json!({"items": [{"product_id": id(1), "quantity": quantity}]});
        let answer = app.put(&format!("{path}/items"), items).await;
        assert_eq!((answer.status, &answer.body["version"]), (200, &json!(quantity)));
    }
    let state = app.state();
    let kept = || -> Vec<i64> {
        let mut query =
            state.prepare("SELECT version FROM snapshots ORDER BY version").expect("a table of snapshots");
        let versions = query.query_map([], |row| row.get(0)).expect("rows");
        versions.map(Result::unwrap).collect()
    };
    // Snapshots are taken behind the reply.
    for _ in 0..400 {
        if kept().last() == Some(&400) && kept().len() == 3 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(25)).await;
    }
    assert_eq!(kept(), [200, 300, 400]);
    assert_eq!(app.get(&format!("{path}?version=449")).await.body["items"][0]["quantity"], json!(449));
    assert_eq!(app.get(&format!("{path}?version=150")).await.body["items"][0]["quantity"], json!(150));
}
