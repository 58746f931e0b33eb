//! The further listener for metrics and health.

use std::net::SocketAddr;

use gesta_server::{Backend, Config, Part, Running, ServeError, Server, auth::keys::Granted};
use tokio::net::TcpStream;

use crate::support::{self, Keys, Reply, Wire, bearer, get, listener};

async fn on(port: u16, change: impl FnOnce(&mut Config)) -> Result<Running, ServeError> {
    let mut config = Config::default();
    config.metrics_port = Some(port);
    change(&mut config);
    let server = Server::new(Backend::memory(), config).named("orders");
    server
        .with_check("broker", || Part::Degraded { reason: "it is away".into() })
        .start_on(listener().await)
        .await
}

async fn ask(address: SocketAddr, path: &str, headers: &str) -> Reply {
    support::ask(address, &get(path, headers)).await
}

#[tokio::test]
async fn a_further_port_tells_metrics_and_health_and_nothing_else() {
    let running = on(0, |_| {}).await.expect("starts");
    let further = running.report().metrics.expect("it was asked for");
    assert_ne!(further.port(), running.address().port());
    assert!(running.report().to_string().contains(&format!("http://{further}/metrics")));
    let metrics = ask(further, "/metrics", "").await;
    assert!(metrics.status == 200 && metrics.body.contains("event_published_total"), "{metrics:?}");
    assert!(metrics.head.contains("text/plain; version=0.0.4"), "{metrics:?}");
    let health = ask(further, "/health", "").await;
    assert!(
        health.body.contains("\"service\":\"orders\"") && health.body.contains("it is away"),
        "{health:?}"
    );
    assert_eq!(ask(further, "/health/ready", "").await.status, 200);
    for elsewhere in ["/api/v1/log", "/", "/openapi.json"] {
        assert_eq!(ask(further, elsewhere, "").await.status, 404, "{elsewhere}");
        assert_eq!(ask(running.address(), elsewhere, "").await.status, 200, "{elsewhere}");
    }
    running.stop().await.expect("stops");
    assert!(TcpStream::connect(further).await.is_err(), "it stops with the server");
}

#[tokio::test]
async fn what_is_asked_at_the_one_port_is_counted_at_the_other() {
    let running = on(0, |_| {}).await.expect("starts");
    assert_eq!(ask(running.address(), "/api/v1/log", "").await.status, 200);
    let metrics = ask(running.report().metrics.expect("asked for"), "/metrics", "").await.body;
    assert!(metrics.contains("route=\"/api/v1/log\""), "{metrics}");
    running.stop().await.expect("stops");
}

#[tokio::test]
async fn the_further_port_takes_few_connections_out_of_what_all_may_have() {
    let running = on(0, |config| config.max_connections = 8).await.expect("starts");
    for (address, most) in [(running.report().metrics.expect("asked for"), 2), (running.address(), 6)] {
        let mut held = Vec::new();
        for _ in 0..most {
            let mut wire = Wire::to(address).await;
            wire.send(&get("/health/live", "")).await;
            assert_eq!(wire.reply().await.status, 200);
            held.push(wire);
        }
        assert_eq!(ask(address, "/health/live", "").await.status, 503, "{most} are all there may be");
    }
    running.stop().await.expect("stops");
}

#[tokio::test]
async fn keys_guard_the_further_port_too() {
    let keys = Keys::new();
    let made = keys.make("default", Granted::All);
    let running = on(0, |config| config.keys_file = Some(keys.file.clone())).await.expect("starts");
    let further = running.report().metrics.expect("asked for");
    assert_eq!(ask(further, "/metrics", "").await.status, 401);
    assert_eq!(ask(further, "/health", "").await.status, 200);
    assert_eq!(ask(further, "/metrics", &bearer(&made.key)).await.status, 200);
    running.stop().await.expect("stops");
}

#[tokio::test]
async fn a_further_port_in_use_is_refused_with_what_it_is_for() {
    let taken = listener().await;
    let port = taken.local_addr().expect("bound").port();
    let refused = on(port, |_| {}).await.err().expect("refused").to_string();
    assert!(refused.contains("for metrics and health") && refused.contains(&port.to_string()), "{refused}");
}

#[test]
fn the_further_port_has_the_name_that_others_use_too() {
    let given = |set: &'static str| {
        Config::from_environment(move |name| (name == set).then(|| "9090".to_owned())).expect("a port")
    };
    assert_eq!(given("GESTA_METRICS_PORT").metrics_port, Some(9090));
    assert_eq!(given("METRICS_PORT").metrics_port, Some(9090));
    assert_eq!(given("PORT").metrics_port, None);
}
