//! From an address to connections.

use std::{fs, str::FromStr, sync::Arc, time::Duration};

use deadpool_postgres::{Manager, ManagerConfig, Pool, RecyclingMethod, Runtime};
use rustls::{ClientConfig, RootCertStore, pki_types::CertificateDer, pki_types::pem::PemObject};
use tokio::task::JoinHandle;
use tokio_postgres::{
    Client, Config, Connection, Socket,
    config::{Host, SslMode},
    tls::MakeTlsConnect,
};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::{error::ConnectError, options::Options};

/// A connection that hears what is notified while its owner polls it.
pub(crate) type Listening = Connection<Socket, <MakeRustlsConnect as MakeTlsConnect<Socket>>::Stream>;

/// Where the server is and how to get in; makes connections.
#[derive(Clone)]
pub(crate) struct Connector {
    config: Config,
    tls: MakeRustlsConnect,
    place: Arc<str>,
}

impl Connector {
    /// Reads an address. A password that is not in it comes from `PGPASSWORD`.
    pub(crate) fn new(url: &str, options: &Options) -> Result<Self, ConnectError> {
        let (url, asked) = Asked::split(url)?;
        let mut config = Config::from_str(&url)
            .map_err(|error| ConnectError::Address { reason: crate::error::told(&error) })?;
        if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
            return Err(ConnectError::Address { reason: "it names no host".into() });
        }
        if config.get_dbname().is_none() {
            return Err(ConnectError::Address { reason: "it names no database".into() });
        }
        if config.get_password().is_none()
            && let Some(password) = std::env::var_os("PGPASSWORD")
        {
            config.password(password.as_encoded_bytes());
        }
        if config.get_application_name().is_none() {
            config.application_name("gesta");
        }
        let place = place(&config);
        config.ssl_mode(asked.mode(&config)?);
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(options.connect_timeout);
        }
        config.keepalives_idle(Duration::from_secs(10)).keepalives_interval(Duration::from_secs(5));
        config.keepalives_retries(3).tcp_user_timeout(options.append_timeout);
        let tls = asked.tls(&place)?;
        Ok(Self { config, tls, place: place.into() })
    }

    /// Host and port, for people.
    pub(crate) fn place(&self) -> &str {
        &self.place
    }

    /// A connection of its own, driven by a task that ends with the client.
    pub(crate) async fn client(&self) -> Result<(Client, JoinHandle<()>), ConnectError> {
        let connected = self.config.connect(self.tls.clone()).await;
        let (client, connection) = connected.map_err(|error| ConnectError::of(&self.place, &error))?;
        let driver = tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(error = %crate::error::told(&error), "a connection to the store ended");
            }
        });
        Ok((client, driver))
    }

    /// A connection that is driven by its owner, to hear what is notified.
    pub(crate) async fn listening(&self) -> Result<(Client, Listening), tokio_postgres::Error> {
        self.config.connect(self.tls.clone()).await
    }

    /// A bounded pool of connections.
    pub(crate) fn pool(&self, options: &Options) -> Result<Pool, ConnectError> {
        let recycling = ManagerConfig { recycling_method: RecyclingMethod::Fast };
        let manager = Manager::from_config(self.config.clone(), self.tls.clone(), recycling);
        Pool::builder(manager)
            .max_size(options.connections)
            .wait_timeout(Some(options.connect_timeout))
            .create_timeout(Some(options.connect_timeout))
            .runtime(Runtime::Tokio1)
            .build()
            .map_err(|error| ConnectError::Other { place: self.place.to_string(), reason: error.to_string() })
    }
}

/// What an address asks of encryption, in the words of libpq.
#[derive(Default)]
struct Asked {
    mode: Option<String>,
    roots: Option<String>,
}

impl Asked {
    /// Takes what the driver does not know out of the address.
    fn split(url: &str) -> Result<(String, Self), ConnectError> {
        let scheme = url.split_once("://").map(|(scheme, _)| scheme);
        if !matches!(scheme, Some("postgres" | "postgresql")) {
            return Err(ConnectError::Address { reason: "it does not begin with postgres://".into() });
        }
        let mut asked = Self::default();
        let Some((base, query)) = url.split_once('?') else { return Ok((url.into(), asked)) };
        let mut rest = Vec::new();
        for part in query.split('&').filter(|part| !part.is_empty()) {
            match part.split_once('=') {
                Some(("sslmode", mode)) => asked.mode = Some(mode.into()),
                Some(("sslrootcert", file)) => {
                    asked.roots = Some(file.replace("%2F", "/").replace("%2f", "/"))
                }
                _ => rest.push(part),
            }
        }
        let query = if rest.is_empty() { String::new() } else { format!("?{}", rest.join("&")) };
        Ok((format!("{base}{query}"), asked))
    }

    /// Without a word: encrypted and verified over a network, plain on this machine.
    fn mode(&self, config: &Config) -> Result<SslMode, ConnectError> {
        match self.mode.as_deref() {
            Some("disable") => Ok(SslMode::Disable),
            Some("require" | "verify-ca" | "verify-full") => Ok(SslMode::Require),
            None if config.get_hosts().iter().all(is_local) => Ok(SslMode::Disable),
            None => Ok(SslMode::Require),
            Some(other) => Err(ConnectError::Address {
                reason: format!(
                    "sslmode={other} is not offered: verify-full encrypts and checks the certificate, disable does not"
                ),
            }),
        }
    }

    fn tls(&self, place: &str) -> Result<MakeRustlsConnect, ConnectError> {
        let failed = |reason: String| ConnectError::Tls { place: place.into(), reason };
        let mut roots = RootCertStore::empty();
        match &self.roots {
            Some(file) => {
                let pem = fs::read(file).map_err(|error| failed(format!("sslrootcert {file}: {error}")))?;
                for certificate in CertificateDer::pem_slice_iter(&pem) {
                    let certificate =
                        certificate.map_err(|error| failed(format!("sslrootcert {file}: {error}")))?;
                    roots.add(certificate).map_err(|error| failed(format!("sslrootcert {file}: {error}")))?;
                }
                if roots.is_empty() {
                    return Err(failed(format!("sslrootcert {file} holds no certificate")));
                }
            }
            None => drop(roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs)),
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| failed(error.to_string()))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(MakeRustlsConnect::new(config))
    }
}

fn is_local(host: &Host) -> bool {
    match host {
        Host::Tcp(name) => {
            name == "localhost" || name.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
        }
        Host::Unix(_) => true,
    }
}

fn place(config: &Config) -> String {
    let ports = config.get_ports();
    let hosts = config.get_hosts().iter().enumerate().map(|(at, host)| {
        let port = ports.get(at).or(ports.first()).copied().unwrap_or(5432);
        match host {
            Host::Tcp(name) => format!("{name}:{port}"),
            Host::Unix(path) => format!("{}:{port}", path.display()),
        }
    });
    let hosts: Vec<_> = hosts.collect();
    format!("{}/{}", hosts.join(","), config.get_dbname().unwrap_or_default())
}
