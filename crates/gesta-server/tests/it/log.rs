//! Reading the log.

use serde_json::{Value, json};

use crate::support::Server;

async fn filled() -> Server {
    let service = Server::new().await;
    for (kind, subject, source, priority, site) in [
        ("sample.created", "sample-1", "lab", 1, "north"),
        ("sample.stored", "sample-1", "store", 3, "north"),
        ("order.placed", "order-1", "shop", 5, "south"),
        ("sample.created", "sample-2", "lab", 3, "south"),
    ] {
        let body = json!({"event_type": kind, "source_service": source, "payload": 1, "subject": subject,
            "priority": priority, "metadata": {"site": site}});
        service.post("/api/v1/events/publish", body).await.ok();
    }
    service
}

fn positions(page: &Value) -> Vec<u64> {
    page["events"].as_array().unwrap().iter().map(|event| event["position"].as_u64().unwrap()).collect()
}

#[tokio::test]
async fn every_filter_of_the_query_filters() {
    let service = filled().await;
    let first = service.get("/api/v1/log?limit=1").await.ok()["events"][0].clone();
    let id = first["id"].as_str().unwrap();
    for (query, wanted) in [
        ("".to_owned(), vec![1, 2, 3, 4]),
        ("types=sample.*".into(), vec![1, 2, 4]),
        ("types=sample.created,order.*".into(), vec![1, 3, 4]),
        ("types=sample.created&types=order.placed".into(), vec![1, 3, 4]),
        ("streams=sample-*".into(), vec![1, 2, 4]),
        ("categories=order".into(), vec![3]),
        ("sources=lab".into(), vec![1, 4]),
        ("subjects=*-1".into(), vec![1, 2, 3]),
        ("priority_min=2&priority_max=3".into(), vec![2, 4]),
        ("priority_max=1".into(), vec![1]),
        ("metadata.site=south".into(), vec![3, 4]),
        (format!("correlation_id={id}"), vec![1]),
        (format!("ids={id}"), vec![1]),
        ("recorded_from=2999-01-01T00:00:00Z".into(), vec![]),
        ("recorded_before=2999-01-01T00:00:00Z&types=order.*".into(), vec![3]),
        ("after_position=2".into(), vec![3, 4]),
        ("after_position=1&up_to_position=3".into(), vec![2, 3]),
        ("from=start&limit=2".into(), vec![1, 2]),
        ("from=head".into(), vec![]),
        ("direction=backwards&limit=2".into(), vec![4, 3]),
        ("direction=backwards&types=sample.created".into(), vec![4, 1]),
        ("types=nothing".into(), vec![]),
    ] {
        let page = service.get(&format!("/api/v1/log?{query}")).await.ok();
        assert_eq!(positions(&page), wanted, "{query}");
        assert_eq!(page["head"], 4);
    }
}

#[tokio::test]
async fn pages_follow_their_cursor_to_the_end_both_ways() {
    let service = filled().await;
    for (direction, wanted) in [("forwards", [1, 2, 3, 4]), ("backwards", [4, 3, 2, 1])] {
        for limit in 1..=5 {
            let mut path = format!("/api/v1/log?limit={limit}&direction={direction}");
            let mut seen = Vec::new();
            loop {
                let reply = service.get(&path).await;
                let page = reply.ok();
                seen.extend(positions(&page));
                let Some(next) = page["next"].as_str() else { break };
                path = format!("/api/v1/log?limit={limit}&direction={direction}&after={next}");
                let link = reply.headers["link"].to_str().unwrap();
                assert!(link.contains(next), "{link}");
            }
            assert_eq!(seen, wanted, "{direction} by {limit}");
        }
    }
}

#[tokio::test]
async fn a_cursor_resumes_behind_what_was_seen() {
    let service = filled().await;
    let cursor = service.get("/api/v1/log?types=order.*").await.ok()["cursor"].as_str().unwrap().to_owned();
    service.publish("later", "a-1").await;
    let page = service.get(&format!("/api/v1/log?after={cursor}")).await.ok();
    assert_eq!(positions(&page), [5]);
    let head = service.get("/api/v1/log/head").await.ok();
    assert_eq!(head["position"], 5);
    assert_eq!(head["capabilities"]["durability"], crate::support::durability());
    let after = format!("/api/v1/log?after={}", head["cursor"].as_str().unwrap());
    assert_eq!(positions(&service.get(&after).await.ok()), [0; 0]);
}

#[tokio::test]
async fn rubbish_and_foreign_cursors_are_refused() {
    let service = filled().await;
    let cursor = service.get("/api/v1/log/head").await.ok()["cursor"].as_str().unwrap().to_owned();
    let path = format!("/api/v1/log?after={cursor}");
    service.get("/api/v1/log?after=rubbish").await.refused(400, "illegal_cursor");
    service.get(&path[..path.len() - 1]).await.refused(400, "illegal_cursor");
    service.tenant("other").get(&path).await.refused(400, "illegal_cursor");
    Server::new().await.get(&path).await.refused(410, "cursor_of_another_log");
    for twice in ["from=start", "after_position=1"] {
        service.get(&format!("{path}&{twice}")).await.refused(400, "malformed_request");
    }
}

#[tokio::test]
async fn one_event_is_found_by_its_id_within_its_tenant() {
    let service = Server::new().await;
    let id = service.publish("x", "a-1").await["event_id"].as_str().unwrap().to_owned();
    let path = format!("/api/v1/events/{id}");
    assert_eq!(service.get(&path).await.ok()["id"], id);
    service.tenant("other").get(&path).await.refused(404, "event_not_found");
    service.get("/api/v1/events/00000000-0000-0000-0000-000000000000").await.refused(404, "event_not_found");
    service.get("/api/v1/events/rubbish").await.refused(400, "malformed_request");
}
