//! What a server is told at its start.
//!
//! Every setting has a default, a name in the environment and a line of explanation; [`Config::SETTINGS`] lists
//! them. Secrets are never settings: they stand in files that settings name.
//!
//! ```
//! use gesta_server::Config;
//!
//! let environment = |name: &str| (name == "PORT").then(|| "9000".to_owned());
//! let config = Config::from_environment(environment)?;
//! assert_eq!((config.host.as_str(), config.port), ("127.0.0.1", 9000));
//! assert!(Config::from_environment(|name| (name == "PORT").then(|| "many".into())).is_err());
//! # Ok::<(), gesta_server::ConfigError>(())
//! ```

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

mod file;
mod setting;
mod store;

use file::File;
use gesta_core::Aliases;
use setting::settings;
pub use setting::{ConfigError, Setting};
pub use store::{Database, StoreAddress, refuse_password_in_arguments};

use crate::roles::Roles;

settings! {
    /// What a server is told at its start.
    Config {
        /// The address or name to listen on. One that is not loopback needs keys.
        host: String = "127.0.0.1", "HOST";
        /// The port; 0 takes a free one.
        port: u16 = "8087", "PORT";
        /// A further port, at the same address, that has /metrics and /health only; METRICS_PORT is another name of it.
        metrics_port: Option<u16> = "", "GESTA_METRICS_PORT";
        /// The data folder, made if there is none.
        data: PathBuf = "gesta-data", "GESTA_DATA";
        /// The store: file:FOLDER, or postgres://USER@HOST/DATABASE; the data folder when not set.
        store: StoreAddress = "", "GESTA_STORE";
        /// A file that holds the password of the store's database, for an address without one.
        store_password_file: Option<PathBuf> = "", "GESTA_STORE_PASSWORD_FILE";
        /// Most connections to the store's database for reads and state; two more are for appends and wakeups.
        store_connections: usize = "16", "GESTA_STORE_CONNECTIONS";
        /// Another PostgreSQL database for the read models of an application, written as the store's; the store's own when not set.
        read_models: StoreAddress = "", "GESTA_READ_MODELS";
        /// What this process does on a store that several share: api, processors, or both.
        roles: Roles = "api,processors", "GESTA_ROLES";
        /// The host:port at which other processes of the same log reach this one; where it listens when not set.
        advertise: Option<String> = "", "GESTA_ADVERTISE";
        /// For how long groups and processors are this process's unless renewed: so long a takeover takes when it dies.
        lease: Duration = "15s", "GESTA_LEASE";
        /// The keys file; when not set, keys.json in the data folder if it is there.
        keys_file: Option<PathBuf> = "", "GESTA_KEYS_FILE";
        /// Listen on the network without keys: whoever reaches the port may do everything.
        allow_anyone_on_the_network: bool = "false", "GESTA_ALLOW_ANYONE_ON_THE_NETWORK";
        /// Listen on the network without TLS, behind a proxy that adds it: keys and data are readable on the way.
        allow_plain_text_on_the_network: bool = "false", "GESTA_ALLOW_PLAIN_TEXT_ON_THE_NETWORK";
        /// A TOML file of settings, by the names of their fields, and of types with their aliases; the environment wins.
        config_file: Option<PathBuf> = "", "GESTA_CONFIG";
        /// Which tables of types with their aliases are known: laboratory; empty for none.
        known_types: Vec<String> = "laboratory", "GESTA_KNOWN_TYPES";
        /// What is logged: a level, or target=level pairs.
        log: String = "info", "RUST_LOG";
        /// Whether each request is logged.
        request_log: bool = "true", "GESTA_REQUEST_LOG";
        /// Whether /metrics answers; ENABLE_METRICS is an older name of it.
        metrics: bool = "true", "GESTA_METRICS";
        /// Origins of web pages that may call the server, separated by commas; none by default.
        allowed_origins: Vec<String> = "", "GESTA_ALLOWED_ORIGINS";
        /// How long a stopping server waits for requests in flight.
        drain: Duration = "10s", "GESTA_DRAIN";

        /// Most open connections; fewer when the system grants fewer descriptors.
        max_connections: usize = "8192", "GESTA_MAX_CONNECTIONS";
        /// Most open connections from one address (IPv6: from one /64).
        max_connections_per_address: usize = "4096", "GESTA_MAX_CONNECTIONS_PER_ADDRESS";
        /// Connections that may wait to be accepted.
        listen_backlog: u32 = "4096", "GESTA_LISTEN_BACKLOG";
        /// How long a new connection may stay silent.
        first_byte_timeout: Duration = "5s", "GESTA_FIRST_BYTE_TIMEOUT";
        /// How long the head of a request may take from its first byte.
        head_timeout: Duration = "10s", "GESTA_HEAD_TIMEOUT";
        /// How long a body may take.
        body_timeout: Duration = "30s", "GESTA_BODY_TIMEOUT";
        /// How long a body may pause.
        body_pause_timeout: Duration = "10s", "GESTA_BODY_PAUSE_TIMEOUT";
        /// How long a connection may stay silent between two requests.
        keep_alive_timeout: Duration = "75s", "GESTA_KEEP_ALIVE_TIMEOUT";
        /// How long a client may take nothing of what is sent to it.
        write_timeout: Duration = "30s", "GESTA_WRITE_TIMEOUT";
        /// How long a reply may take to begin; longer than the longest poll.
        reply_timeout: Duration = "120s", "GESTA_REPLY_TIMEOUT";
        /// Most headers of a request.
        max_headers: usize = "100", "GESTA_MAX_HEADERS";
        /// Most bytes of the head of a request.
        max_head_bytes: usize = "32768", "GESTA_MAX_HEAD_BYTES";
        /// Most bytes of a body: a batch of 8 MiB and its JSON around it, more when data is base64.
        max_body_bytes: usize = "12582912", "GESTA_MAX_BODY_BYTES";
        /// Most events of one request; no store takes more than 500.
        max_events_per_batch: usize = "500", "MAX_EVENTS_PER_BATCH";
        /// Most bytes of all bodies held at once.
        max_body_bytes_in_flight: usize = "134217728", "GESTA_MAX_BODY_BYTES_IN_FLIGHT";
        /// Most requests worked on at once, long polls included.
        max_requests_in_flight: usize = "4096", "GESTA_MAX_REQUESTS_IN_FLIGHT";
        /// Most requests of one tenant a second; 0 for no limit.
        max_requests_per_second: u32 = "0", "GESTA_MAX_REQUESTS_PER_SECOND";
        /// Most SSE clients of one tenant.
        max_sse_clients: usize = "1000", "GESTA_MAX_SSE_CLIENTS";

        /// Bytes of the first segment of the log; each next one is twice as large.
        first_segment_bytes: u64 = "1048576", "GESTA_FIRST_SEGMENT_BYTES";
        /// Bytes of the largest segment of the log.
        largest_segment_bytes: u64 = "268435456", "GESTA_LARGEST_SEGMENT_BYTES";
    }
}

/// The tables of types that come with the server, each in the form of a configuration file.
const TABLES: [(&str, &str); 1] = [("laboratory", include_str!("types/laboratory.toml"))];

/// Other names of settings, from the service that this one takes over from.
const ALIASES: [(&str, &str); 2] =
    [("GESTA_METRICS", "ENABLE_METRICS"), ("GESTA_METRICS_PORT", "METRICS_PORT")];

impl Config {
    /// The defaults, changed by the configuration file if one is named, changed by what `variable` gives for the names in
    /// the environment. Fails on a value or a file that cannot be read, on types that cannot be told apart, and on a
    /// setting of the former service that would have no effect here.
    pub fn from_environment(variable: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        if let Some(given) = variable("EVENT_RETENTION_HOURS") {
            let expected = "the log forgets nothing by age, so unset it";
            return Err(ConfigError::Setting { name: "EVENT_RETENTION_HOURS".into(), given, expected });
        }
        let file = match variable("GESTA_CONFIG").filter(|path| !path.is_empty()) {
            Some(path) => File::read(path.as_ref())?,
            None => File::default(),
        };
        let given = |name: &str| {
            let alias = ALIASES.iter().find(|(of, _)| *of == name);
            let given = variable(name).or_else(|| alias.and_then(|(_, alias)| variable(alias)));
            given.or_else(|| file.setting(name))
        };
        let mut config = Self::read(given)?;
        let has_data = given("GESTA_DATA").is_some_and(|folder| !folder.is_empty());
        config.store = match std::mem::take(&mut config.store) {
            StoreAddress::Unset if has_data => StoreAddress::Folder(config.data.clone()),
            StoreAddress::Folder(_) | StoreAddress::Postgres(_) if has_data => {
                return Err(ConfigError::TwoStores {
                    one: "GESTA_DATA (--data)",
                    other: "GESTA_STORE (--store)",
                });
            }
            StoreAddress::Folder(folder) => {
                config.data.clone_from(&folder);
                StoreAddress::Folder(folder)
            }
            other => other,
        };
        let is_database = matches!(config.store, StoreAddress::Postgres(_));
        if config.read_models != StoreAddress::Unset && !is_database {
            return Err(ConfigError::ReadModelsBesideFolder);
        }
        config.types = known(&config.known_types)?.and(file.types())?;
        Ok(config)
    }

    /// The folder of the file store; `None` on another store.
    pub fn folder(&self) -> Option<&Path> {
        match self.store {
            StoreAddress::Postgres(_) => None,
            _ => Some(&self.data),
        }
    }
}

/// The types of these tables.
fn known(tables: &[String]) -> Result<Aliases, ConfigError> {
    tables.iter().try_fold(Aliases::default(), |known, name| {
        let unknown = || ConfigError::Setting {
            name: "GESTA_KNOWN_TYPES".into(),
            given: name.clone(),
            expected: "write laboratory, or nothing",
        };
        let table = TABLES.iter().find(|(known, _)| *known == name).ok_or_else(unknown)?.1;
        Ok(known.and(File::parse(table).expect("tables of this release can be read").types())?)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_setting_has_its_own_name_and_a_line() {
        let mut names: Vec<_> = Config::SETTINGS.iter().map(|setting| setting.variable).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Config::SETTINGS.len());
        assert!(Config::SETTINGS.iter().all(|setting| setting.text.ends_with('.')));
    }

    #[test]
    fn an_unreadable_value_names_its_variable() {
        let wrong = |name: &str| (name == "GESTA_DRAIN").then(|| "soon".to_owned());
        let error = Config::from_environment(wrong).unwrap_err().to_string();
        assert!(error.contains("GESTA_DRAIN") && error.contains("soon"), "{error}");
    }

    #[test]
    fn settings_of_the_former_service_are_honoured_or_refused() {
        let given = |set: &'static str, value: &'static str| {
            Config::from_environment(move |name| (name == set).then(|| value.to_owned()))
        };
        assert!(!given("ENABLE_METRICS", "false").unwrap().metrics);
        assert_eq!(given("MAX_EVENTS_PER_BATCH", "100").unwrap().max_events_per_batch, 100);
        assert!(given("EVENT_RETENTION_HOURS", "24").is_err());
    }

    #[test]
    fn values_of_every_kind_are_read() {
        let value = |name: &str| {
            let text = match name {
                "HOST" => "0.0.0.0",
                "GESTA_DRAIN" => "1500ms",
                "GESTA_WRITE_TIMEOUT" => "2m",
                "GESTA_METRICS" => "off",
                "GESTA_KEYS_FILE" => "/k.json",
                "GESTA_ALLOWED_ORIGINS" => "https://a.example, https://b.example",
                _ => return None,
            };
            Some(text.to_owned())
        };
        let config = Config::from_environment(value).unwrap();
        assert_eq!(config.drain, Duration::from_millis(1500));
        assert_eq!(config.write_timeout, Duration::from_secs(120));
        assert!(!config.metrics);
        assert_eq!(config.keys_file, Some(PathBuf::from("/k.json")));
        assert_eq!(config.allowed_origins, ["https://a.example", "https://b.example"]);
    }

    /// A folder with a configuration file of this text, and its path.
    fn file(text: &str) -> (tempfile::TempDir, String) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("gesta.toml");
        std::fs::write(&path, text).unwrap();
        let path = path.display().to_string();
        (folder, path)
    }

    fn with_file(text: &str, environment: &[(&str, &str)]) -> Result<Config, ConfigError> {
        let (_folder, path) = file(text);
        let given =
            |name: &str| environment.iter().find(|(known, _)| *known == name).map(|(_, v)| v.to_string());
        Config::from_environment(|name| {
            given(name).or_else(|| (name == "GESTA_CONFIG").then(|| path.clone()))
        })
    }

    #[test]
    fn a_file_gives_settings_and_the_environment_wins() {
        let text =
            "port = 9000\nmetrics = false\ndrain = \"2s\"\nallowed_origins = [\"https://a.example\"]\n";
        let config = with_file(text, &[("GESTA_DRAIN", "3s")]).unwrap();
        assert_eq!((config.port, config.metrics, config.drain), (9000, false, Duration::from_secs(3)));
        assert_eq!(config.allowed_origins, ["https://a.example"]);
    }

    #[test]
    fn a_file_gives_aliases_beside_those_that_are_known() {
        let config = with_file("[types]\nOrderPlaced = [\"order.placed\"]\n", &[]).unwrap();
        assert_eq!(config.types.name_of("order.placed"), "OrderPlaced");
        assert_eq!(config.types.name_of("sequencing.qc_passed"), "QualityControlPassed");
        let bare = with_file("known_types = []\n", &[]).unwrap();
        assert!(bare.types.is_empty());
    }

    #[test]
    fn a_file_that_cannot_be_meant_is_refused_with_the_reason() {
        for (text, reason) in [
            ("prot = 9000", "prot is no setting"),
            ("port = \"many\"", "PORT=many"),
            ("port = 1.5", "port: write"),
            ("port 9000", "line 1"),
            ("config_file = \"other.toml\"", "names no other"),
            ("[types]\nSampleStored = [\"sample.created\"]", "is a spelling of"),
            ("[types]\nSampleStored = \"sample.created\"", "sequence"),
            ("known_types = [\"nuclear\"]", "write laboratory"),
        ] {
            let error = with_file(text, &[]).unwrap_err().to_string();
            assert!(error.contains(reason), "{text}: {error}");
        }
        let missing = |name: &str| (name == "GESTA_CONFIG").then(|| "/nowhere/gesta.toml".to_owned());
        assert!(Config::from_environment(missing).is_err());
    }
}
