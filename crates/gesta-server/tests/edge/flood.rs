//! Too many at once: the excess hears 503 and when to come back, before any work is done.

use crate::support::{Wire, edge, get, post, until};

#[tokio::test]
async fn connections_beyond_the_cap_of_an_address_hear_503() {
    let edge = edge(|config| config.max_connections_per_address = 3).await;
    let mut held = Vec::new();
    for _ in 0..3 {
        let mut wire = edge.connect().await;
        wire.send(&get("/open", "")).await;
        assert_eq!(wire.reply().await.status, 200);
        held.push(wire);
    }
    let refused = edge.get("/open", "").await;
    assert_eq!(refused.status, 503);
    assert!(refused.header("retry-after").is_some());
    assert!(refused.body.contains("overloaded") && refused.body.contains("address"), "{}", refused.body);
    drop(held);
    until("the places are free again", || edge.telemetry.open_connections() == 0).await;
    assert_eq!(edge.get("/open", "").await.status, 200);
}

#[tokio::test]
async fn connections_beyond_the_cap_of_the_server_hear_503() {
    let edge = edge(|config| config.max_connections = 2).await;
    let mut held: Vec<Wire> = Vec::new();
    for _ in 0..2 {
        held.push(edge.connect().await);
    }
    until("both are accepted", || edge.telemetry.open_connections() == 2).await;
    assert_eq!(edge.get("/open", "").await.status, 503);
    // Those inside are served on.
    held[0].send(&get("/open", "")).await;
    assert_eq!(held[0].reply().await.status, 200);
}

#[tokio::test]
async fn a_flood_of_connections_leaves_the_server_alive() {
    let edge = edge(|config| config.max_connections = 20).await;
    let mut flood = Vec::new();
    for _ in 0..300 {
        let mut wire = edge.connect().await;
        let _ = wire.try_send(b"GET /open HTTP/1.1\r\n").await;
        flood.push(wire);
    }
    until("the cap is reached", || edge.telemetry.open_connections() == 20).await;
    drop(flood);
    until("all places are free", || edge.telemetry.open_connections() == 0).await;
    assert_eq!(edge.get("/open", "").await.status, 200);
    let refused = "gesta_connections_refused_total{reason=\"connections\"} 280";
    assert!(edge.telemetry.render().contains(refused), "{}", edge.telemetry.render());
}

#[tokio::test]
async fn requests_beyond_the_cap_hear_503_also_where_no_key_is_asked_for() {
    let edge = edge(|config| config.max_requests_in_flight = 2).await;
    let mut held = Vec::new();
    for _ in 0..2 {
        let mut wire = edge.connect().await;
        wire.send(&get("/wait", "")).await;
        held.push(wire);
    }
    edge.shared.waiting.acquire_many(2).await.expect("both wait").forget();
    for path in ["/whoami", "/open"] {
        let refused = edge.get(path, "").await;
        assert_eq!((refused.status, refused.header("retry-after")), (503, Some("1")), "{path}");
    }
    edge.shared.go.add_permits(2);
    for mut wire in held {
        assert_eq!(wire.reply().await.body, "went");
    }
    assert_eq!(edge.get("/whoami", "").await.status, 200);
}

#[tokio::test]
async fn a_tenant_beyond_its_rate_hears_429_and_another_does_not() {
    let edge = edge(|config| config.max_requests_per_second = 2).await;
    let mut wire = edge.connect().await;
    let mut statuses = Vec::new();
    for _ in 0..20 {
        wire.send(&get("/whoami", "gesta-tenant: busy\r\n")).await;
        let reply = wire.reply().await;
        if reply.status == 429 {
            assert_eq!(reply.header("retry-after"), Some("1"));
        }
        statuses.push(reply.status);
    }
    assert_eq!(statuses[0], 200);
    assert!(statuses.contains(&429), "{statuses:?}");
    assert_eq!(edge.get("/whoami", "gesta-tenant: calm\r\n").await.status, 200);
}

#[tokio::test]
async fn bodies_beyond_the_room_hear_503() {
    let edge = edge(|config| config.max_body_bytes_in_flight = 64 * 1024).await;
    let mut first = edge.connect().await;
    // Its body is in but for one byte, and holds the room.
    let text = post("/length", &"x".repeat(60_000));
    first.send(&text[..text.len() - 1]).await;
    let mut refused = 0;
    for _ in 0..50 {
        let mut second = edge.connect().await;
        let _ = second.try_send(post("/length", &"x".repeat(60_000)).as_bytes()).await;
        let reply = second.reply().await;
        if reply.status == 503 {
            assert!(reply.header("retry-after").is_some());
            refused += 1;
            break;
        }
    }
    assert_eq!(refused, 1, "the room was never full");
    first.send("x").await;
    assert_eq!(first.reply().await.body, "60000");
}
