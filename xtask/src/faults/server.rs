//! The real server as a child process.

use std::{
    fs::File,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use super::{binary::arm, http::Connection};
use crate::{process, servers::free_port};

/// How a server is started.
#[derive(Clone)]
pub(super) struct Setup {
    /// The binary.
    pub(super) binary: PathBuf,
    /// Its data folder.
    pub(super) data: PathBuf,
    /// Where it writes what it has to say; outside the disk under test.
    pub(super) log: PathBuf,
    /// The bug that is armed, if any.
    pub(super) planted: Option<String>,
    /// Bytes of a segment, small so that rolls are met; the server's own sizes if none.
    pub(super) segment_bytes: Option<u64>,
    /// Further settings.
    pub(super) environment: Vec<(&'static str, String)>,
    /// A program in front of the binary, such as a tracer, with its arguments.
    pub(super) wrapper: Vec<String>,
}

/// A running server.
pub(super) struct Server {
    child: Child,
    pub(super) address: SocketAddr,
    /// How long it took from the start of the process until it was ready.
    pub(super) took: Duration,
}

/// A start that takes longer is a failure.
const START: Duration = Duration::from_secs(60);

impl Setup {
    /// A server with its own sizes and settings, and without bugs.
    pub(super) fn new(binary: &Path, data: PathBuf, log: PathBuf) -> Self {
        let (binary, environment, wrapper) = (binary.to_owned(), Vec::new(), Vec::new());
        Self { binary, data, log, planted: None, segment_bytes: None, environment, wrapper }
    }

    /// Starts the server and waits until it is ready.
    pub(super) fn start(&self) -> Result<Server, String> {
        let mut server = self.spawn()?;
        server.wait_ready(self)?;
        Ok(server)
    }

    /// Starts the process and waits for nothing.
    pub(super) fn spawn(&self) -> Result<Server, String> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()?));
        let log = File::options().create(true).append(true).open(&self.log);
        let log = log.map_err(|cause| format!("{}: {cause}", self.log.display()))?;
        let errors = log.try_clone().map_err(|cause| cause.to_string())?;
        let mut words = self.wrapper.iter().cloned().chain([self.binary.to_string_lossy().into_owned()]);
        let mut command = Command::new(words.next().expect("there is the binary at least"));
        command.args(words).arg("serve").stdin(Stdio::null()).stdout(log).stderr(errors);
        command.env("HOST", "127.0.0.1").env("PORT", address.port().to_string());
        // Only one of the two may name a store.
        if self.environment.iter().all(|(name, _)| *name != "GESTA_STORE") {
            command.env("GESTA_DATA", &self.data);
        }
        command.env("RUST_LOG", "warn").env("GESTA_REQUEST_LOG", "false");
        for variable in ["GESTA_FIRST_SEGMENT_BYTES", "GESTA_LARGEST_SEGMENT_BYTES"] {
            if let Some(bytes) = self.segment_bytes {
                command.env(variable, bytes.to_string());
            }
        }
        command.envs(self.environment.iter().cloned());
        let child = arm(&mut command, self.planted.as_deref()).spawn();
        let child = child.map_err(|cause| format!("{}: {cause}", self.binary.display()))?;
        Ok(Server { child, address, took: Duration::ZERO })
    }

    /// The end of what the server said, for a failure's message.
    pub(super) fn said(&self) -> String {
        process::tail(&self.log)
    }
}

impl Server {
    fn wait_ready(&mut self, setup: &Setup) -> Result<(), String> {
        let began = Instant::now();
        loop {
            let ready = Connection::open(self.address).and_then(|mut to| to.get("/health/ready"));
            if ready.is_ok_and(|reply| reply.status == 200) {
                self.took = began.elapsed();
                return Ok(());
            }
            if let Ok(Some(status)) = self.child.try_wait() {
                return Err(format!("the server ended at its start ({status}):\n{}", setup.said()));
            }
            if began.elapsed() > START {
                self.kill();
                return Err(format!("the server was not ready after {START:?}:\n{}", setup.said()));
            }
            std::thread::sleep(Duration::from_millis(3));
        }
    }

    /// A connection to it.
    pub(super) fn connect(&self) -> Result<Connection, String> {
        Connection::open(self.address).map_err(|cause| format!("the server cannot be reached: {cause}"))
    }

    pub(super) fn id(&self) -> u32 {
        self.child.id()
    }

    /// SIGKILL, and waits until nothing of the process is left.
    pub(super) fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}
