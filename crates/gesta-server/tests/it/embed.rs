//! A server inside another program: routes of the program's own beside Gesta's.

use axum::{extract::State, http::StatusCode, response::Response};
use gesta_api::Problem;
use gesta_core::{Tenant, Version};
use gesta_server::{
    Backend, Config, Failure, Part, ServeError, Server as Embedded,
    auth::{
        Access, Caller, Guarded, Permission, Routes,
        keys::{Granted, make},
    },
    extract::{JsonBody, PathText, etag, if_match, json},
};
use serde::Deserialize;
use serde_json::json;
use utoipa::openapi::{Info, OpenApi, Paths};
use utoipa_axum::routes;

use crate::support::Server;

#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
struct Greeting {
    name: String,
}

/// Greet somebody
#[utoipa::path(
    post, path = "/api/v1/greetings", request_body = Greeting,
    responses((status = 201, body = String), (status = "default", body = Problem)),
)]
async fn greet(
    State(word): State<&'static str>,
    caller: Caller,
    JsonBody(greeting): JsonBody<Greeting>,
) -> Result<Response, Failure> {
    if greeting.name == "nobody" {
        let problem =
            Problem::of_rule(409, "NobodyThere", "nobody cannot be greeted").expected("somebody", "nobody");
        return Err(problem.into());
    }
    let text = format!("{word}, {} of {}", greeting.name, caller.tenant);
    Ok(json(StatusCode::CREATED, &text))
}

/// Show a greeting
#[utoipa::path(
    get, path = "/api/v1/greetings/{name}", params(("name" = String, Path)),
    responses((status = 200, body = String), (status = "default", body = Problem)),
)]
async fn show(PathText(name): PathText, headers: axum::http::HeaderMap) -> Result<Response, Failure> {
    let asked = if_match(&headers)?.unwrap_or(Version::new(1));
    let mut response = json(StatusCode::OK, &name);
    response.headers_mut().extend([etag(asked)]);
    Ok(response)
}

fn greetings() -> Routes {
    let info = Info::new("Greeter", "7");
    Guarded::new(OpenApi::new(info, Paths::new()))
        .routes(Access::Needs(Permission::StreamAppend), routes!(greet))
        .routes(Access::Needs(Permission::StreamRead), routes!(show))
        .ready("hello")
}

fn embedded(config: Config) -> Embedded {
    Embedded::new(Backend::memory(), config).named("greeter").with_routes(greetings())
}

async fn server() -> Server {
    Server::of(embedded(Config::default())).await
}

#[tokio::test]
async fn routes_of_the_program_answer_beside_those_of_gesta() {
    let server = server().await;
    let greeted = server.tenant("north").post("/api/v1/greetings", json!({"name": "Ada"})).await;
    assert_eq!((greeted.status.as_u16(), greeted.json()), (201, json!("hello, Ada of north")));
    server.publish("sample.created", "sample-1").await;
    assert_eq!(server.get("/api/v1/greetings/Ada").await.etag(), "\"1\"");
    assert_eq!(server.header("if-match", "\"7\"").get("/api/v1/greetings/Ada").await.etag(), "\"7\"");
    server.header("if-match", "7").get("/api/v1/greetings/Ada").await.refused(400, "malformed_request");
}

#[tokio::test]
async fn they_refuse_like_gesta_does() {
    let server = server().await;
    let more = r#"{"name": "Ada", "colour": "red"}"#;
    server.post("/api/v1/greetings", more).await.refused(422, "invalid_field");
    server.post("/api/v1/greetings", "{").await.refused(400, "malformed_json");
    server.delete("/api/v1/greetings").await.refused(405, "method_not_allowed");
    let broken = server.post("/api/v1/greetings", json!({"name": "nobody"})).await;
    let problem = broken.json();
    assert_eq!(broken.headers["content-type"], "application/problem+json");
    assert_eq!((broken.status.as_u16(), &problem["code"]), (409, &json!("NobodyThere")));
    assert_eq!((&problem["expected"], &problem["actual"]), (&json!("somebody"), &json!("nobody")));
    assert_eq!(problem["instance"], "/api/v1/greetings");
}

#[tokio::test]
async fn they_ask_for_the_permission_they_declare() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("keys.json");
    let tenant: Tenant = "north".parse().unwrap();
    let reads = make(&file, &tenant, Granted::Some(vec![Permission::StreamRead])).unwrap();
    let mut config = Config::default();
    config.keys_file = Some(file);
    let server = Server::of(embedded(config)).await;
    server.get("/api/v1/greetings/Ada").await.refused(401, "unauthenticated");
    let reader = server.key(&reads.key);
    reader.get("/api/v1/greetings/Ada").await.ok();
    reader.post("/api/v1/greetings", json!({"name": "Ada"})).await.refused(403, "forbidden");
    let declared = embedded(Config::default()).declared();
    let own: Vec<_> = declared.iter().filter(|route| route.path.starts_with("/api/v1/greetings")).collect();
    assert_eq!(own.len(), 2, "a test over all routes sees those of the program");
    assert!(declared.len() > 40);
}

#[tokio::test]
async fn an_open_route_of_the_program_has_the_limits_of_all_and_health_answers_beyond_them() {
    /// Hear anybody out
    #[utoipa::path(post, path = "/hear", request_body = Greeting, responses((status = 200)))]
    async fn hear(JsonBody(Greeting { name }): JsonBody<Greeting>) -> String {
        if name == "bug" { panic!("a bug on purpose") } else { name }
    }
    let server = async |most: usize| {
        let mut config = Config::default();
        (config.max_body_bytes, config.max_requests_in_flight) = (40, most);
        let routes = Guarded::new(OpenApi::default()).routes(Access::Open, routes!(hear)).ready(());
        Server::of(Embedded::new(Backend::memory(), config).with_routes(routes)).await
    };
    let roomy = server(1).await;
    assert_eq!(roomy.post("/hear", json!({"name": "Ada"})).await.body, "Ada");
    roomy.post("/hear", json!({"name": "x".repeat(40)})).await.refused(413, "body_too_large");
    roomy.post("/hear", json!({"name": "bug"})).await.refused(500, "internal");
    let full = server(0).await;
    full.post("/hear", json!({"name": "Ada"})).await.refused(503, "overloaded");
    for path in ["/health", "/health/live", "/health/ready", "/", "/openapi.json"] {
        assert_eq!(full.get(path).await.status, 200, "{path}");
    }
}

#[tokio::test]
async fn one_document_describes_all_routes_under_the_title_of_the_program() {
    let document = server().await.get("/openapi.json").await.ok();
    assert_eq!(document["info"]["title"], "Greeter");
    assert_eq!(document["paths"]["/api/v1/greetings"]["post"]["x-permission"], "stream:append");
    assert!(document["paths"]["/api/v1/events/publish"]["post"].is_object());
    let own = greetings().document_text();
    assert!(own.contains("/api/v1/greetings/{name}") && !own.contains("/api/v1/events"), "{own}");
}

#[tokio::test]
async fn routes_that_cannot_be_told_apart_are_refused() {
    #[utoipa::path(get, path = "/api/v1/streams/{id}")]
    async fn other_name() {}
    #[utoipa::path(get, path = "/health")]
    async fn same() {}
    for taken in [routes!(other_name), routes!(same)] {
        let routes = Guarded::new(OpenApi::default()).routes(Access::Open, taken).ready(());
        let refused = Embedded::new(Backend::memory(), Config::default()).with_routes(routes).service().await;
        assert!(matches!(refused, Err(ServeError::RouteTaken { .. })), "{refused:?}");
    }
    let twice = embedded(Config::default()).with_routes(greetings()).service().await;
    let text = twice.unwrap_err().to_string();
    assert!(text.contains("POST /api/v1/greetings") && text.contains("another path"), "{text}");
}

#[tokio::test]
async fn the_whole_fares_no_better_than_its_worst_part() {
    let with = |part: Part| embedded(Config::default()).with_check("printer", move || part.clone());
    let good = Server::of(with(Part::Healthy)).await.get("/health").await.ok();
    assert_eq!((&good["service"], &good["checks"]["printer"]), (&json!("greeter"), &json!("ok")));
    let reason = || "no paper: put some in".to_owned();
    let less = Server::of(with(Part::Degraded { reason: reason() })).await.get("/health").await.ok();
    assert_eq!((&less["status"], &less["checks"]["printer"]), (&json!("degraded"), &json!(reason())));
    let none = Server::of(with(Part::Unhealthy { reason: reason() })).await.get("/health").await;
    assert_eq!((none.status.as_u16(), &none.json()["status"]), (503, &json!("unhealthy")));
}

#[tokio::test]
async fn metrics_of_the_program_are_shown_with_those_of_gesta() {
    let embedded = embedded(Config::default());
    let telemetry = embedded.telemetry();
    let greeted = telemetry.within(|| metrics::counter!("greetings_total"));
    let server = Server::of(embedded).await;
    greeted.increment(3);
    let shown = server.get("/metrics").await.body;
    assert!(shown.contains("greetings_total 3") && shown.contains("event_published_total"), "{shown}");
}
