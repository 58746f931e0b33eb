//! Reading streams, and which there are.

use serde_json::{Value, json};

use crate::support::Server;

async fn filled(stream: &str, events: usize) -> Server {
    let service = Server::new().await;
    let events: Vec<_> = (1..=events).map(|n| json!({"type": "x", "data": n})).collect();
    service.post(&format!("/api/v1/streams/{stream}"), json!({"events": events})).await.ok();
    service
}

fn versions(page: &Value) -> Vec<u64> {
    page["events"].as_array().unwrap().iter().map(|event| event["version"].as_u64().unwrap()).collect()
}

/// The path of the `Link` to the next page.
fn next(reply: &crate::support::Reply) -> Option<String> {
    let link = reply.headers.get("link")?.to_str().unwrap();
    let (path, rel) = link.strip_prefix('<').unwrap().split_once('>').unwrap();
    assert_eq!(rel, "; rel=\"next\"");
    Some(path.to_owned())
}

#[tokio::test]
async fn pages_follow_their_links_to_the_end_both_ways() {
    let service = filled("a-1", 7).await;
    for (direction, wanted) in
        [("forwards", vec![1, 2, 3, 4, 5, 6, 7]), ("backwards", vec![7, 6, 5, 4, 3, 2, 1])]
    {
        let mut path = Some(format!("/api/v1/streams/a-1?limit=3&direction={direction}"));
        let mut seen = Vec::new();
        while let Some(at) = path {
            let reply = service.get(&at).await;
            let page = reply.ok();
            assert_eq!(page["version"], 7);
            seen.extend(versions(&page));
            path = next(&reply);
            assert_eq!(path.is_some(), !page["next"].is_null());
        }
        assert_eq!(seen, wanted);
    }
}

#[tokio::test]
async fn bounds_are_exclusive_below_and_inclusive_above() {
    let service = filled("a-1", 5).await;
    for (query, wanted) in [
        ("after=2", vec![3, 4, 5]),
        ("up_to=2", vec![1, 2]),
        ("after=1&up_to=3", vec![2, 3]),
        ("after=1&up_to=3&direction=backwards", vec![3, 2]),
        ("after=5", vec![]),
        ("after=9", vec![]),
        ("up_to=0", vec![]),
    ] {
        let page = service.get(&format!("/api/v1/streams/a-1?{query}")).await.ok();
        assert_eq!(versions(&page), wanted, "{query}");
        assert_eq!(page["next"], Value::Null, "{query}");
    }
}

#[tokio::test]
async fn an_unchanged_stream_is_a_304() {
    let service = filled("a-1", 2).await;
    let reply = service.get("/api/v1/streams/a-1").await;
    assert_eq!(reply.etag(), "\"2\"");
    for path in ["/api/v1/streams/a-1", "/api/v1/streams/a-1/head"] {
        let same = service.header("if-none-match", "\"2\"").get(path).await;
        assert_eq!((same.status.as_u16(), same.body.as_str()), (304, ""), "{path}");
        service.header("if-none-match", "\"1\"").get(path).await.ok();
    }
}

#[tokio::test]
async fn a_stream_nobody_wrote_to_is_empty_and_has_no_head() {
    let service = Server::new().await;
    let page = service.get("/api/v1/streams/a-1").await.ok();
    assert_eq!(page, json!({"stream": "a-1", "version": 0, "events": [], "next": null}));
    service.get("/api/v1/streams/a-1/head").await.refused(404, "stream_not_found");
}

#[tokio::test]
async fn the_head_names_version_and_position() {
    let service = filled("a-1", 2).await;
    let head = service.get("/api/v1/streams/a-1/head").await.ok();
    assert_eq!((&head["version"], &head["last_position"]), (&2.into(), &2.into()));
}

#[tokio::test]
async fn streams_are_listed_by_name_page_by_page() {
    let service = Server::new().await;
    for subject in ["b-1", "a-2", "a-1", "c-1"] {
        service.publish("x", subject).await;
    }
    let reply = service.get("/api/v1/streams?limit=3").await;
    let names = |page: &Value| -> Vec<String> {
        page["streams"].as_array().unwrap().iter().map(|s| s["stream"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names(&reply.ok()), ["a-1", "a-2", "b-1"]);
    let rest = service.get(&next(&reply).expect("a next page")).await;
    assert_eq!(names(&rest.ok()), ["c-1"]);
    assert_eq!(next(&rest), None);
    let some = service.get("/api/v1/streams?pattern=a-*").await.ok();
    assert_eq!(
        some["streams"],
        json!([
            {"stream": "a-1", "version": 1, "last_position": 3},
            {"stream": "a-2", "version": 1, "last_position": 2},
        ])
    );
}

#[tokio::test]
async fn gestas_own_streams_are_hidden_unless_asked_for() {
    let service = Server::new().await;
    service.post("/api/v1/groups", json!({"name": "g"})).await.ok();
    assert_eq!(service.get("/api/v1/streams").await.ok()["streams"], json!([]));
    let all = service.get("/api/v1/streams?system=true").await.ok();
    assert_eq!(all["streams"][0]["stream"], "$group-g");
    assert_eq!(service.get("/api/v1/log").await.ok()["events"], json!([]));
    assert_eq!(service.get("/api/v1/log?system=true").await.ok()["events"].as_array().unwrap().len(), 1);
}
