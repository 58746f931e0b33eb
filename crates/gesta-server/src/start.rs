//! Starting a server in one call, with Gesta's routes only.
//!
//! ```
//! use gesta_server::{Backend, Config, start_on};
//! use tokio::net::TcpListener;
//!
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let listener = TcpListener::bind("127.0.0.1:0").await?;
//! let server = start_on(listener, Backend::memory(), Config::default()).await?;
//! println!("{}", server.report());
//! server.stop().await?;
//! # Ok(()) }
//! ```

use axum::Router;
use gesta_file::Options;
use tokio::net::TcpListener;

use crate::{
    backend::Backend, config::Config, embed::Server, error::ServeError, listen, opening, run::Running,
};

/// Starts a server as configured.
///
/// ```no_run
/// # #[tokio::main]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let running = gesta_server::start(gesta_server::Config::default()).await?;
/// println!("{}", running.report());
/// tokio::signal::ctrl_c().await?;
/// running.stop().await?;
/// # Ok(()) }
/// ```
pub async fn start(config: Config) -> Result<Running, ServeError> {
    let (listener, backend) = open(&config).await?;
    start_on(listener, backend, config).await
}

/// Listens where the configuration says, then opens the store that it names: what a program does before it makes its
/// [`Server`], and hands to it.
///
/// A port in use and a network that would be let in unguarded are refused before the store is touched. When opening a folder
/// takes long, the listener answers meanwhile, as with [`open_on`].
///
/// ```no_run
/// use gesta_server::{Config, Server, open};
///
/// # #[tokio::main]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let config = Config::default();
/// let (listener, backend) = open(&config).await?;
/// let log = backend.store(); // for the program's own aggregates and processors
/// let running = Server::new(backend, config).start_on(listener).await?;
/// # running.stop().await?;
/// # Ok(()) }
/// ```
pub async fn open(config: &Config) -> Result<(TcpListener, Backend), ServeError> {
    let listener = listen::listen(config).await?;
    listen::check(config, &listener)?;
    let bound = listen::address(config, &listener)?;
    if config.folder().is_none() {
        let backend = Backend::configured(config).await?;
        return Ok((listener, backend.listening(config, bound)));
    }
    let options = Options::default().segment_bytes(config.first_segment_bytes, config.largest_segment_bytes);
    opening::open(listener, config, options).await
}

/// Starts a server on this listener and the file store in the configured folder, opened with these options.
///
/// When opening takes long, because a lost index is built anew, the listener answers meanwhile: `/health` says how far
/// it is, `/health/live` is well, `/health/ready` is not, and everything else is a `starting`.
pub async fn open_on(listener: TcpListener, config: Config, options: Options) -> Result<Running, ServeError> {
    let (listener, backend) = opening::open(listener, &config, options).await?;
    start_on(listener, backend, config).await
}

/// Starts a server on this listener and backend.
pub async fn start_on(
    listener: TcpListener,
    backend: Backend,
    config: Config,
) -> Result<Running, ServeError> {
    Server::new(backend, config).start_on(listener).await
}

/// A whole server as one service, without a listener: for tests, and for embedding in another program. It is guarded
/// by `config.keys_file`, or open to requests meant for this machine when there is none. With routes of the program's
/// own it is [`Server::service`].
///
/// ```
/// use axum::{body::Body, http::Request};
/// use gesta_server::{Backend, Config, service};
/// use tower::ServiceExt;
///
/// # #[tokio::main]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let service = service(Backend::memory(), Config::default()).await?;
/// let request = Request::get("/health").header("host", "127.0.0.1").body(Body::empty())?;
/// assert_eq!(service.oneshot(request).await?.status(), 200);
/// # Ok(()) }
/// ```
pub async fn service(backend: Backend, config: Config) -> Result<Router, ServeError> {
    Server::new(backend, config).service().await
}
