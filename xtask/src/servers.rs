//! `cargo xtask services`: PostgreSQL and Redis on loopback, for tests and measurements.
//!
//! Each has a folder under `target/services`, a port that was free when it started, and a variable that tells its
//! address. Whoever sets that variable to a server of their own gets that one instead.

use std::{
    fs,
    hash::{DefaultHasher, Hash, Hasher},
    net::{TcpListener, TcpStream},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    time::Duration,
};

use crate::{Outcome, process};

mod packages;
mod postgres;
mod redis;

pub(crate) use packages::install;
pub(crate) use postgres::Cluster;

/// A server that tests and measurements may need.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Server {
    /// PostgreSQL 15 or later.
    Postgres,
    /// Redis 7, flushing each append.
    Redis,
}

/// How long one may take to start or to stop.
const PATIENCE: Duration = Duration::from_secs(60);

impl Server {
    /// All there are.
    pub(crate) const ALL: [Self; 2] = [Self::Postgres, Self::Redis];

    fn name(self) -> &'static str {
        match self {
            Self::Postgres => "postgres",
            Self::Redis => "redis",
        }
    }

    /// The variable that tells its address.
    pub(crate) fn variable(self) -> &'static str {
        match self {
            Self::Postgres => "GESTA_TEST_POSTGRES_URL",
            Self::Redis => "GESTA_TEST_REDIS_URL",
        }
    }

    fn url(self, port: u16) -> String {
        match self {
            Self::Postgres => format!("postgres://gesta@127.0.0.1:{port}/postgres"),
            Self::Redis => format!("redis://127.0.0.1:{port}"),
        }
    }

    /// Its folder under `target`; elsewhere if its own user could not get in there.
    fn folder(self) -> PathBuf {
        match self {
            Self::Redis => process::target().join("services").join(self.name()),
            Self::Postgres => folder_of_its_user("services", self.name()),
        }
    }

    /// Its address, if it runs: the one somebody named, or ours.
    pub(crate) fn running(self) -> Option<String> {
        if let Ok(named) = std::env::var(self.variable()) {
            return Some(named);
        }
        let port = fs::read_to_string(self.folder().join("port")).ok()?.trim().parse().ok()?;
        (self.pid().is_some() && answers(port)).then(|| self.url(port))
    }

    /// Starts it unless it runs, and hands back its address.
    pub(crate) fn start(self) -> Result<String, String> {
        if let Some(url) = self.running() {
            return Ok(url);
        }
        let folder = self.folder();
        fs::create_dir_all(&folder).map_err(|cause| format!("{}: {cause}", folder.display()))?;
        let port = free_port()?;
        match self {
            Self::Postgres => postgres::start(&folder, port)?,
            Self::Redis => redis::start(&folder, port)?,
        }
        if !process::until(PATIENCE, || answers(port)) {
            return Err(format!("{} does not answer: see {}", self.name(), folder.display()));
        }
        fs::write(folder.join("port"), port.to_string()).map_err(|cause| cause.to_string())?;
        Ok(self.url(port))
    }

    /// Stops the one that we started; whatever else runs is left alone.
    pub(crate) fn stop(self) -> Outcome {
        let Some(pid) = self.pid() else { return Ok(()) };
        // PostgreSQL takes an interrupt for "end the sessions and stop"; Redis is content with it too.
        process::signal(pid, "INT")?;
        let stopped = process::until(PATIENCE, || self.pid().is_none());
        if stopped { Ok(()) } else { Err(format!("{} (process {pid}) does not stop", self.name())) }
    }

    /// Its process, if that is alive and still the one we started: process ids come round again.
    fn pid(self) -> Option<u32> {
        let file = match self {
            Self::Postgres => postgres::data(&self.folder()).join("postmaster.pid"),
            Self::Redis => self.folder().join("pid"),
        };
        let pid = fs::read_to_string(file).ok()?.lines().next()?.trim().parse().ok()?;
        let command = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
        String::from_utf8_lossy(&command).contains(self.name()).then_some(pid)
    }
}

/// The variables that tell where the servers are that run.
pub(crate) fn variables() -> Vec<(&'static str, String)> {
    Server::ALL.into_iter().filter_map(|server| Some((server.variable(), server.running()?))).collect()
}

/// Runs `start`, `stop` or `status`.
pub(crate) fn run(arguments: &[String]) -> Outcome {
    let Some((verb, names)) = arguments.split_first() else {
        return Err("say start, stop or status".into());
    };
    let chosen: Vec<Server> = match names {
        [] => Server::ALL.to_vec(),
        names => names.iter().map(|name| named(name)).collect::<Result<_, _>>()?,
    };
    for server in chosen {
        match verb.as_str() {
            "start" => println!("export {}={}", server.variable(), server.start()?),
            "stop" => server.stop()?,
            "status" => {
                println!("{}: {}", server.name(), server.running().unwrap_or_else(|| "stopped".into()))
            }
            other => return Err(format!("services does not know {other:?}: say start, stop or status")),
        }
    }
    Ok(())
}

/// A folder under `target`; elsewhere if the user that PostgreSQL runs as could not get in there.
fn folder_of_its_user(kind: &str, name: &str) -> PathBuf {
    let ours = process::target().join(kind).join(name);
    if !process::is_root() || everybody_may_pass(&process::target()) {
        return ours;
    }
    let mut hasher = DefaultHasher::new();
    ours.hash(&mut hasher);
    std::env::temp_dir().join(format!("gesta-{kind}-{:x}", hasher.finish())).join(name)
}

/// Whether any user can get into a folder.
fn everybody_may_pass(folder: &Path) -> bool {
    let open = |part: &Path| part.metadata().is_ok_and(|about| about.permissions().mode() & 0o001 != 0);
    folder.ancestors().filter(|part| part.exists()).all(open)
}

fn named(name: &str) -> Result<Server, String> {
    let found = Server::ALL.into_iter().find(|server| server.name() == name);
    found.ok_or_else(|| format!("no service is called {name:?}: there are postgres and redis"))
}

/// A port that nobody listens on just now.
pub(crate) fn free_port() -> Result<u16, String> {
    let listener = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    listener.map(|address| address.port()).map_err(|cause| format!("no port is free: {cause}"))
}

fn answers(port: u16) -> bool {
    TcpStream::connect(("127.0.0.1", port)).is_ok()
}
