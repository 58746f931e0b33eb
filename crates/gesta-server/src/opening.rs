//! What a server answers while its store is still being opened.
//!
//! That takes a moment, except when the index is lost: then it takes as long as reading the log. A server that did not
//! listen meanwhile would look dead, and be killed by whoever watches it before it is done.

use std::{
    pin::pin,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use axum::{Router, extract::State, middleware::from_fn, response::Response, routing::get};
use gesta_api::{Code, Health, HealthStatus};
use gesta_core::{Clock, SystemClock};
use gesta_file::{Options, Progress};
use tokio::{net::TcpListener, time::timeout};

use crate::{
    backend::Backend,
    config::Config,
    error::ServeError,
    listen,
    problem::{Failure, write_problems},
    rim::Rim,
    routes::info::{self, told},
};

/// An opening that is done so soon is not worth a word.
const SOON: Duration = Duration::from_millis(250);

/// How long requests that are in flight may hold up a server that could begin to work.
const DRAIN: Duration = Duration::from_secs(1);

/// How far an opening is.
#[derive(Clone)]
struct Opening {
    began: Instant,
    told: Arc<Mutex<Option<Progress>>>,
}

/// Opens the file store in the configured folder, and answers on the listener if that takes long.
pub(crate) async fn open(
    listener: TcpListener,
    config: &Config,
    options: Options,
) -> Result<(TcpListener, Backend), ServeError> {
    let opening = Opening { began: Instant::now(), told: Arc::default() };
    let told = Arc::clone(&opening.told);
    let options = options.telling(move |progress| *told.lock().expect("no holder panics") = Some(progress));
    let mut opened = pin!(Backend::file(&config.data, options));
    if let Ok(opened) = timeout(SOON, &mut opened).await {
        return Ok((listener, opened?));
    }
    let address = listen::address(config, &listener)?;
    let lost = |source| ServeError::Address { host: config.host.clone(), port: address.port(), source };
    // Both listen on one socket: what the first does not accept any more waits for the second.
    let (listener, meanwhile) = twice(listener).map_err(lost)?;
    let keys = listen::keys_path(config, Some(&config.data));
    let config = Config { drain: config.drain.min(DRAIN), ..config.clone() };
    let serving =
        Rim::new(config, address, keys.as_deref())?.start(meanwhile, routes(opening)).map_err(lost)?;
    tracing::info!(%address, "the store is being opened: until then only /health answers");
    let opened = opened.await;
    serving.stop().await;
    Ok((listener, opened?))
}

fn twice(listener: TcpListener) -> std::io::Result<(TcpListener, TcpListener)> {
    let listener = listener.into_std()?;
    let other = listener.try_clone()?;
    Ok((TcpListener::from_std(listener)?, TcpListener::from_std(other)?))
}

fn routes(opening: Opening) -> Router {
    Router::new()
        .route("/health", get(health))
        .route("/health/live", get(info::live))
        .route("/health/ready", get(ready))
        .fallback(starting)
        .with_state(opening)
        .layer(from_fn(write_problems))
}

impl Opening {
    fn text(&self) -> String {
        match *self.told.lock().expect("no holder panics") {
            Some(Progress { part, done, total, .. }) => format!("{part}, {done} of {total}"),
            None => "looking at the log".into(),
        }
    }
}

async fn health(State(opening): State<Opening>) -> Response {
    let health = Health {
        service: "gesta".into(),
        status: HealthStatus::Unhealthy,
        version: env!("CARGO_PKG_VERSION").into(),
        timestamp: SystemClock.now(),
        uptime_seconds: opening.began.elapsed().as_secs(),
        checks: [("store".into(), format!("is being opened: {}", opening.text()))].into(),
        store: None,
        open_connections: 0,
        stopping: false,
    };
    told(false, &health)
}

async fn ready(State(opening): State<Opening>) -> Response {
    told(false, &serde_json::json!({ "status": "not_ready", "reason": opening.text() }))
}

async fn starting(State(opening): State<Opening>) -> Failure {
    let detail = format!("the store is being opened: {}; send the request again", opening.text());
    Failure::new(Code::Starting, detail)
}
