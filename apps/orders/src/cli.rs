//! The command line.

use std::{
    io::Write,
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    process::ExitCode,
};

use clap::{Args, Parser, Subcommand, ValueEnum};
use gesta_server::{
    Backend, Config, ConfigError, Running,
    config::{StoreAddress, refuse_password_in_arguments},
    telemetry::logs,
};
use orders::Watching;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Orders and customers, a reference application of Gesta
#[derive(Debug, Parser)]
#[command(version)]
pub(crate) struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Run the application until Ctrl-C
    Serve {
        #[command(flatten)]
        place: Place,
        /// Where the routes are; an address that is not loopback needs keys
        #[arg(long, value_name = "ADDRESS", env = "ORDERS_LISTEN", default_value = "127.0.0.1:8086")]
        listen: SocketAddr,
        /// Where metrics and health are: port 9090 of the address of --listen; METRICS_PORT names the port alone
        #[arg(long, value_name = "ADDRESS", env = "ORDERS_METRICS_LISTEN")]
        metrics_listen: Option<SocketAddr>,
    },
    /// Import orders of a CSV file into a store: a database, or a data folder that no server has open
    Import {
        /// The file: one row for each item of an order
        file: PathBuf,
        #[command(flatten)]
        place: Place,
        /// For people or for programs
        #[arg(long, value_enum, default_value_t = Output::Text)]
        output: Output,
    },
    /// Print the OpenAPI document of the application's own routes
    Openapi,
}

/// Where the data is.
#[derive(Debug, Args)]
struct Place {
    /// The data folder, made if there is none; GESTA_DATA names one, too [default: orders-data]
    #[arg(long, value_name = "FOLDER")]
    data: Option<PathBuf>,
    /// The store: file:FOLDER, or postgres://USER@HOST/DATABASE without a password; GESTA_STORE names one with it
    #[arg(long, value_name = "STORE")]
    store: Option<String>,
}

impl Place {
    /// The settings of the environment and the configuration file, with this place.
    fn config(&self) -> Result<Config, ConfigError> {
        refuse_password_in_arguments(self.store.as_deref().unwrap_or_default())?;
        let mut config = Config::from_environment(|name| {
            let given = match name {
                "GESTA_DATA" => self.data.as_ref().map(|data| data.display().to_string()),
                "GESTA_STORE" => self.store.clone(),
                _ => None,
            };
            given.or_else(|| std::env::var(name).ok())
        })?;
        if config.store == StoreAddress::Unset {
            config.data = "orders-data".into();
        }
        Ok(config)
    }
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Output {
    Text,
    Json,
}

/// The port of metrics and health unless told otherwise.
const METRICS_PORT: u16 = 9090;

impl Cli {
    pub(crate) async fn run(self) -> Result<(), String> {
        match self.verb {
            Verb::Serve { place, listen, metrics_listen } => serve(&place, listen, metrics_listen).await,
            Verb::Import { file, place, output } => {
                let config = place.config().map_err(|error| error.to_string())?;
                let report = orders::import::import(&file, Backend::configured(&config))
                    .await
                    .map_err(|error| error.to_string())?;
                let told = match output {
                    Output::Text => report.to_string(),
                    Output::Json => serde_json::to_string(&report).map_err(|error| error.to_string())?,
                };
                say(&told);
                Ok(())
            }
            Verb::Openapi => {
                say(orders::document().trim_end());
                Ok(())
            }
        }
    }
}

async fn serve(place: &Place, listen: SocketAddr, metrics: Option<SocketAddr>) -> Result<(), String> {
    let said = |error: &dyn std::fmt::Display| error.to_string();
    // Registered first: from now on no signal ends the process before the store is closed.
    let (keyboard, terminate) = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()));
    let (mut keyboard, mut terminate) = (keyboard.map_err(|e| said(&e))?, terminate.map_err(|e| said(&e))?);
    let mut config = place.config().map_err(|error| said(&error))?;
    (config.host, config.port) = (listen.ip().to_string(), listen.port());
    config.metrics_port = Some(metrics_port(&config, listen.ip(), metrics)?);
    let _logs = logs::begin(&config.log).map_err(|error| said(&error))?;
    let running = tokio::select! {
        biased;
        // Building a lost index may take minutes; what is left of it is built at the next start.
        () = either(&mut keyboard, &mut terminate) => return Ok(()),
        running = Box::pin(start(config)) => running?,
    };
    // Kept until here: dropped, it looks no more.
    let (running, _watch) = running;
    say(&running.report().to_string());
    either(&mut keyboard, &mut terminate).await;
    running.stop().await.map_err(|error| said(&error))
}

/// Listens before the store is opened: a port in use leaves a folder alone, and health answers while a lost index is
/// built anew.
async fn start(config: Config) -> Result<(Running, Watching), String> {
    let (listener, backend) = gesta_server::open(&config).await.map_err(|error| error.to_string())?;
    let app = orders::app(backend, config).await.map_err(|error| error.to_string())?;
    let running = app.server.start_on(listener).await.map_err(|error| error.to_string())?;
    Ok((running, app.watch))
}

fn metrics_port(config: &Config, host: IpAddr, given: Option<SocketAddr>) -> Result<u16, String> {
    match given {
        Some(address) if address.ip() != host => {
            Err(format!("--metrics-listen {address} is not at {host}, the address of --listen: use that one"))
        }
        Some(address) => Ok(address.port()),
        None => Ok(config.metrics_port.unwrap_or(METRICS_PORT)),
    }
}

async fn either(keyboard: &mut Signal, terminate: &mut Signal) {
    tokio::select! {
        _ = keyboard.recv() => {}
        _ = terminate.recv() => {}
    }
}

/// Nobody has to read it: a closed output is no reason to end.
fn say(text: &str) {
    let _ = writeln!(std::io::stdout(), "{text}");
}

/// Says why it ended.
pub(crate) fn failed(reason: &str) -> ExitCode {
    eprintln!("orders: {reason}");
    ExitCode::FAILURE
}
