//! What a server on the file store knows after a restart.

use gesta_server::Backend;
use serde_json::json;

use crate::sse::Live;

#[tokio::test]
async fn events_and_what_subscriptions_asked_survive_a_restart() {
    let folder = tempfile::tempdir().expect("a folder");
    let open = || Backend::file(folder.path(), gesta_file::Options::default());
    let live = Live::on(open().await.expect("opens")).await;
    let subscribe = json!({"consumer_group": "g", "consumer_name": "c", "name": "mine", "batch_size": 1,
        "timeout_ms": 3_000, "read_latest": false, "auto_ack": false});
    live.post("/api/v1/events/subscribe", &subscribe).await;
    live.publish("a", "x-1").await;
    live.publish("b", "x-2").await;
    live.stop().await;

    let live = Live::on(open().await.expect("opens again")).await;
    let pulled = live.post("/api/v1/groups/g/pull", &json!({"consumer": "c"})).await;
    let deliveries = pulled["deliveries"].as_array().expect("deliveries");
    assert_eq!(deliveries.len(), 1);
    assert_eq!(deliveries[0]["subscription"], "mine");
    assert_eq!(deliveries[0]["event"]["event_type"], "a");
    live.stop().await;
}
