//! `gesta serve`: the server, until Ctrl-C or SIGTERM.

use std::path::PathBuf;

use clap::Args;
use gesta_postgres::ConnectError;
use gesta_server::{
    Config, ConfigError, ServeError, Setting, config::refuse_password_in_arguments, telemetry::logs,
};
use serde::Serialize;

use crate::{
    exit::{Exit, Failure, Outcome},
    interrupt::Interrupt,
    output::{Output, table},
    shared::Shared,
};

/// Run the server
#[derive(Debug, Args)]
pub(crate) struct Serve {
    /// The address or name to listen on; one that is not loopback needs keys
    #[arg(long)]
    host: Option<String>,
    /// The port; 0 takes a free one
    #[arg(long)]
    port: Option<u16>,
    /// The data folder, made if there is none
    #[arg(long, value_name = "FOLDER")]
    data: Option<PathBuf>,
    /// The store: file:FOLDER, or postgres://USER@HOST/DATABASE without a password
    #[arg(long, value_name = "STORE")]
    store: Option<String>,
    /// What this process does on a store that several share: api, processors, or both
    #[arg(long, value_name = "ROLES")]
    roles: Option<String>,
    /// The host:port at which other processes of the same log reach this one; where it listens when not given
    #[arg(long, value_name = "ADDRESS")]
    advertise: Option<String>,
    /// The keys file; keys.json in the data folder when not given
    #[arg(long, value_name = "FILE")]
    keys_file: Option<PathBuf>,
    /// A TOML file of settings and of types with their aliases; the other options and the environment win
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// What is logged to standard error: a level, or target=level pairs
    #[arg(long, value_name = "FILTER")]
    log: Option<String>,
    /// Write this file once the server takes requests: its address as JSON
    #[arg(long, value_name = "FILE")]
    ready_file: Option<PathBuf>,
    /// List every setting with its environment variable and its default, and end
    #[arg(long)]
    settings: bool,
}

#[derive(Serialize)]
struct Ready {
    url: String,
    address: std::net::SocketAddr,
    #[serde(skip_serializing_if = "Option::is_none")]
    metrics: Option<std::net::SocketAddr>,
    store: String,
    folder: Option<PathBuf>,
    keys: bool,
    pid: u32,
    #[serde(skip)]
    text: String,
}

impl Serve {
    pub(crate) async fn run(self, shared: &Shared) -> Outcome {
        if self.settings {
            return settings(shared.output);
        }
        let interrupt = Interrupt::listen();
        refuse_password_in_arguments(self.store.as_deref().unwrap_or_default()).map_err(Failure::usage)?;
        let config =
            Config::from_environment(|name| self.setting(name)).map_err(|error| self.wrong(error))?;
        // Kept to the end: dropped, it writes what is left.
        let _logs = logs::begin(&config.log).map_err(Failure::usage)?;
        let running = tokio::select! {
            biased;
            // Building a lost index may take minutes; what is left of it is built at the next start.
            () = interrupt.asked() => return Ok(()),
            running = Box::pin(gesta_server::start(config)) => running.map_err(failure)?,
        };
        let report = running.report();
        let ready = Ready {
            url: running.url(),
            address: report.address,
            metrics: report.metrics,
            store: report.store.clone(),
            folder: report.folder.clone(),
            keys: report.keys,
            pid: std::process::id(),
            text: report.to_string(),
        };
        shared.output.print(&ready, |ready| ready.text.clone())?;
        self.announce(&ready)?;
        interrupt.asked().await;
        running.stop().await.map_err(failure)
    }

    /// What was given on the command line comes before the environment.
    fn setting(&self, name: &str) -> Option<String> {
        self.option(name).map(|(_, given)| given).or_else(|| std::env::var(name).ok())
    }

    /// The option for a setting, if it was given.
    fn option(&self, name: &str) -> Option<(&'static str, String)> {
        let path = |path: &Option<PathBuf>| path.as_ref().map(|path| path.display().to_string());
        let (option, given) = match name {
            "HOST" => ("--host", self.host.clone()),
            "PORT" => ("--port", self.port.map(|port| port.to_string())),
            "GESTA_DATA" => ("--data", path(&self.data)),
            "GESTA_STORE" => ("--store", self.store.clone()),
            "GESTA_ROLES" => ("--roles", self.roles.clone()),
            "GESTA_ADVERTISE" => ("--advertise", self.advertise.clone()),
            "GESTA_KEYS_FILE" => ("--keys-file", path(&self.keys_file)),
            "GESTA_CONFIG" => ("--config", path(&self.config)),
            "RUST_LOG" => ("--log", self.log.clone()),
            _ => return None,
        };
        given.map(|given| (option, given))
    }

    /// Names what cannot be read as it was given.
    fn wrong(&self, error: ConfigError) -> Failure {
        match &error {
            ConfigError::Setting { name, given, expected } if let Some((option, _)) = self.option(name) => {
                Failure::usage(format!("{option} {given} cannot be read: {expected}"))
            }
            _ => Failure::usage(error),
        }
    }

    /// Written beside and renamed, so that a reader sees all of it or nothing.
    fn announce(&self, ready: &Ready) -> Outcome {
        let Some(file) = &self.ready_file else { return Ok(()) };
        let unusable = |error| Failure::failed(format!("{} cannot be written: {error}", file.display()));
        let beside = file.with_extension("new");
        let json = serde_json::to_vec(ready).map_err(|error| unusable(error.into()))?;
        std::fs::write(&beside, json).and_then(|()| std::fs::rename(&beside, file)).map_err(unusable)
    }
}

fn failure(error: ServeError) -> Failure {
    let exit = match error {
        ServeError::NoKeys { .. } | ServeError::PlainText { .. } => Exit::Denied,
        ServeError::Store(ConnectError::Refused { .. } | ConnectError::Grants { .. }) => Exit::Denied,
        ServeError::Store(ConnectError::Unreachable { .. } | ConnectError::TooMany { .. }) => {
            Exit::Unavailable
        }
        ServeError::Store(ConnectError::Address { .. }) | ServeError::Roles { .. } => Exit::Usage,
        _ => Exit::Failed,
    };
    Failure::new(exit, error)
}

fn settings(output: Output) -> Outcome {
    output.print(&Config::SETTINGS, |all| {
        let row = |s: &Setting| [s.variable, s.field, s.default, s.text].map(str::to_owned);
        table(["VARIABLE", "IN A FILE", "DEFAULT", "MEANING"], all.iter().map(row))
    })
}
