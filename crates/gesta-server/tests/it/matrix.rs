//! G12: every route × credential × two tenants, from the router's own table.

use std::{sync::Arc, time::Duration};

use axum::http::Method;
use gesta::WaitError;
use gesta_core::{EventHandler, Filter, HandlerError, Position, RecordedEvent, Tenant};
use gesta_server::{
    Config,
    auth::{
        Access, Declared, Permission,
        keys::{Granted, make},
    },
    declared,
};
use serde_json::{Value, json};

use crate::{
    lamp::{self, NAME},
    sse::until_quiet,
    support::Server,
};

/// In all that tenant A writes, and so in every leak.
const NEEDLE: &str = "needle";

struct Matrix {
    folder: tempfile::TempDir,
    service: Server,
    checks: usize,
    leaks: Vec<String>,
}

/// Where A's things are.
struct Known {
    event: String,
    cursor: String,
    delivery: String,
}

impl Matrix {
    fn keys_file(&self) -> std::path::PathBuf {
        self.folder.path().join("keys.json")
    }

    async fn new() -> (Self, Server, Server) {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("keys.json");
        let mut made: Vec<String> = Vec::new();
        for tenant in ["alpha", "beta"] {
            let tenant: Tenant = tenant.parse().expect("legal");
            made.push(make(&path, &tenant, Granted::All).expect("makes").key);
        }
        for granted in Permission::ALL {
            let rest = Permission::ALL.into_iter().filter(|other| *other != granted).collect();
            for granted in [vec![granted], rest] {
                let tenant: Tenant = "gamma".parse().expect("legal");
                made.push(make(&path, &tenant, Granted::Some(granted)).expect("makes").key);
            }
        }
        std::fs::write(folder.path().join("made"), made.join("\n")).expect("writes");
        let mut config = Config::default();
        (config.keys_file, config.request_log) = (Some(path), false);
        let service = application(config).await;
        let (alpha, beta) = (service.key(&made[0]), service.key(&made[1]));
        (Self { folder, service, checks: 0, leaks: Vec::new() }, alpha, beta)
    }

    /// The key that grants only this, and the one that grants everything else.
    fn keys_of(&self, permission: Permission) -> (String, String) {
        let made = std::fs::read_to_string(self.folder.path().join("made")).expect("reads");
        let at = 2 + 2 * Permission::ALL.iter().position(|known| *known == permission).expect("known");
        let mut keys = made.lines().skip(at).map(str::to_owned);
        (keys.next().expect("only"), keys.next().expect("all but"))
    }

    fn check(&mut self, good: bool, what: impl FnOnce() -> String) {
        self.checks += 1;
        if !good {
            self.leaks.push(what());
        }
    }
}

/// A handler of A that has failed, with a reason that only A may read.
struct Failing;

#[async_trait::async_trait]
impl EventHandler for Failing {
    fn name(&self) -> &str {
        NAME
    }

    fn filter(&self) -> Filter {
        Filter::of("alpha".parse().expect("legal"))
    }

    async fn handle(&self, events: &[RecordedEvent]) -> Result<(), HandlerError> {
        Err(HandlerError::Permanent(format!("{NEEDLE} cannot be handled: {}", events[0].event_type)))
    }
}

/// A server with an application in it: a lamp of A, and the handler.
async fn application(config: Config) -> Server {
    let (server, processors) = lamp::application(config, "alpha", NEEDLE, Arc::new(Failing)).await;
    let reached = processors.wait_for(NAME, Position::new(1), Duration::from_secs(60)).await;
    assert!(matches!(reached, Err(WaitError::Stopped { .. })), "{reached:?}");
    server
}

async fn fill(alpha: &Server) -> Known {
    let publish = json!({"event_type": format!("{NEEDLE}.type"), "source_service": NEEDLE, "payload": NEEDLE,
        "subject": format!("{NAME}-1"), "metadata": {"k": NEEDLE}});
    let event =
        alpha.post("/api/v1/events/publish", publish).await.ok()["event_id"].as_str().unwrap().to_owned();
    let group = json!({"name": NAME, "start": "beginning", "filter": {"metadata": {"k": NEEDLE}}});
    alpha.post("/api/v1/groups", group).await.ok();
    let pull = json!({"consumer": NEEDLE, "wait_ms": 5_000});
    let pulled = alpha.post(&format!("/api/v1/groups/{NAME}/pull"), pull).await.ok();
    let delivery = pulled["deliveries"][0]["delivery_id"].as_str().unwrap().to_owned();
    let cursor = alpha.get("/api/v1/log/head").await.ok()["cursor"].as_str().unwrap().to_owned();
    Known { event, cursor, delivery }
}

fn path(route: &Declared, known: &Known) -> String {
    route
        .path
        .replace("{stream}", &format!("{NAME}-1"))
        .replace("{group}", NAME)
        .replace("{name}", NAME)
        .replace("{category}", "lamp")
        .replace("{key}", NAME)
        .replace("{id}", &known.event)
        .replace("{code}", "forbidden")
}

/// A body that the route would do something with.
fn body(route: &Declared, known: &Known) -> Value {
    let event = json!({"type": "x", "data": 1});
    match route.path.rsplit('/').next().unwrap() {
        "publish" => json!({"event_type": "x", "source_service": "s", "payload": 1}),
        "batch" => json!({"events": [{"event_type": "x", "source_service": "s", "payload": 1}]}),
        "events" => json!({"event_type": "x", "aggregate_id": "1", "aggregate_type": "t", "data": 1}),
        "subscribe" => json!({"consumer_group": "own", "read_latest": false}),
        "groups" => json!({"name": "own", "start": "beginning", "auto_ack": true}),
        "append" => json!({"appends": [{"stream": "own-1", "events": [event]}]}),
        "{stream}" => json!({"events": [event]}),
        "pull" => json!({"consumer": "c", "wait_ms": 0}),
        "ack" => json!({"delivery_ids": [known.delivery]}),
        "nack" => json!({"delivery_ids": [known.delivery], "park": true}),
        "replay" => json!({"all": true}),
        "discard" => json!({"all": true, "reason": "r"}),
        _ => json!({}),
    }
}

/// Status and text of a route, streams until they are quiet.
async fn ask(service: &Server, route: &Declared, known: &Known, query: &str) -> (u16, String) {
    let path = path(route, known) + query;
    if route.path.ends_with("/stream") {
        return until_quiet(service, &path).await;
    }
    let reply = match route.method {
        Method::GET => service.get(&path).await,
        Method::DELETE => service.delete(&path).await,
        _ => service.post(&path, body(route, known)).await,
    };
    (reply.status.as_u16(), reply.body)
}

#[tokio::test(start_paused = true)]
async fn tenant_matrix() {
    let (mut matrix, alpha, beta) = Matrix::new().await;
    let known = fill(&alpha).await;
    let routes = declared();
    for route in &routes {
        credentials(&mut matrix, route, &known).await;
    }
    for route in &routes {
        let queries: &[&str] = match route.path.as_str() {
            "/api/v1/log" => &["", "?streams=shared-*", "?direction=backwards"],
            "/api/v1/streams" => &["", "?pattern=shared-*", "?system=true"],
            _ => &[""],
        };
        for query in queries {
            let (status, text) = ask(&beta, route, &known, query).await;
            let what = || format!("{} {}: {status} {text}", route.method, route.path);
            matrix.check(!text.contains(NEEDLE), what);
        }
    }
    foreign_means(&mut matrix, &beta, &known).await;
    let mut seen = 0;
    for route in routes.iter().filter(|route| route.method == Method::GET) {
        seen += usize::from(ask(&alpha, route, &known, "").await.1.contains(NEEDLE));
    }
    assert!(seen >= 13, "its owner saw the needle on {seen} routes only: the check would miss a leak");
    unharmed(&mut matrix, &alpha, &known).await;
    assert!(matrix.keys_file().exists());
    println!("tenant_matrix: {} routes, leaks {} of {}", routes.len(), matrix.leaks.len(), matrix.checks);
    assert!(matrix.leaks.is_empty(), "{:#?}", matrix.leaks);
}

/// No key, a wrong key, a key without the permission, a key with nothing else.
async fn credentials(matrix: &mut Matrix, route: &Declared, known: &Known) {
    let name = format!("{} {}", route.method, route.path);
    let service = matrix.service.clone();
    let (status, _) = ask(&service, route, known, "").await;
    let Access::Needs(permission) = route.access else {
        matrix.check(status == 200, || format!("{name} without a key: {status}"));
        return;
    };
    matrix.check(status == 401, || format!("{name} without a key: {status}"));
    let (status, _) = ask(&service.key("gk_wrong_key"), route, known, "").await;
    matrix.check(status == 401, || format!("{name} with a wrong key: {status}"));
    let (only, all_but) = matrix.keys_of(permission);
    let (status, text) = ask(&service.key(&all_but), route, known, "").await;
    matrix
        .check(status == 403 && !text.contains(NEEDLE), || format!("{name} without {permission}: {status}"));
    let (status, text) = ask(&service.key(&only), route, known, "").await;
    matrix.check(![401, 403].contains(&status) && status < 500, || {
        format!("{name} with {permission}: {status} {text}")
    });
}

/// What belongs to A, in the hands of B.
async fn foreign_means(matrix: &mut Matrix, beta: &Server, known: &Known) {
    let stolen = beta.get(&format!("/api/v1/log?after={}", known.cursor)).await;
    matrix.check(stolen.status == 400, || format!("a foreign cursor: {stolen:?}"));
    let named = beta.tenant("alpha").get("/api/v1/log").await;
    matrix.check(named.status == 403, || format!("another tenant by header: {named:?}"));
    let same_id = json!({"event_type": "x", "source_service": "s", "payload": 1, "event_id": known.event});
    let own = beta.post("/api/v1/events/publish", same_id).await;
    matrix.check(own.status == 200, || format!("an id that another tenant uses: {own:?}"));
    let stats = beta.get("/api/v1/stats").await.ok();
    let published = stats["events_published"].as_u64().unwrap();
    let seen = beta.get("/api/v1/log").await.ok()["events"].as_array().unwrap().len() as u64;
    matrix.check(published == seen, || format!("{published} counted, {seen} are B's"));
}

/// Whatever B did, A has what it had.
async fn unharmed(matrix: &mut Matrix, alpha: &Server, known: &Known) {
    let log = alpha.get("/api/v1/log").await.ok();
    let events = log["events"].as_array().unwrap();
    matrix.check(events.len() == 2 && events[1]["id"] == known.event, || format!("A's log: {log}"));
    let groups = alpha.get("/api/v1/groups").await.ok();
    let intact = groups["groups"].as_array().unwrap().len() == 1 && groups["groups"][0]["in_flight"] == 1;
    matrix.check(intact, || format!("A's groups: {groups}"));
    let ack = json!({"delivery_ids": [known.delivery]});
    let acked = alpha.post(&format!("/api/v1/groups/{NAME}/ack"), ack).await;
    matrix.check(acked.status == 200, || format!("A's delivery: {acked:?}"));
}
