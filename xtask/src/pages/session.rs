//! A reader's shell: a folder that looks like a clone, the binary on the path, a server in the background.

use std::{
    env, fs,
    net::TcpStream,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use crate::{Outcome, process, servers};

/// How long a server may take to answer, and how much processor time a block may use.
const PATIENCE: Duration = Duration::from_secs(120);

/// What a reader runs through cargo, the gate has built already.
const WRITTEN: [(&str, &str); 3] = [
    ("cargo run --release --", "gesta"),
    ("cargo run --release -p orders --", "orders"),
    ("cargo run -q -p gesta-client --example ", ""),
];

/// A reader's shell.
pub(super) struct Session {
    folder: PathBuf,
    port: u16,
    /// Where an application shows metrics and health.
    further_port: u16,
    server: Option<Child>,
}

impl Session {
    /// A fresh folder with links to what a clone holds.
    pub(super) fn new(folder: &Path) -> Result<Self, String> {
        let say = |cause: std::io::Error| format!("{}: {cause}", folder.display());
        process::fresh_folder(folder)?;
        for entry in fs::read_dir(process::root()).map_err(say)?.flatten() {
            let name = entry.file_name();
            let is_data = matches!(name.to_str(), Some(".git" | "target" | "gesta-data"));
            if !is_data {
                symlink(entry.path(), folder.join(name)).map_err(say)?;
            }
        }
        let (port, further_port) = (servers::free_port()?, servers::free_port()?);
        Ok(Self { folder: folder.to_owned(), port, further_port, server: None })
    }

    /// Starts a server and waits until it answers.
    pub(super) fn serve(&mut self, script: &str) -> Outcome {
        let log = fs::File::create(self.folder.join("server.log")).map_err(|cause| cause.to_string())?;
        let mut shell = self.shell(&format!("exec {}", script.trim()));
        shell.stdout(log.try_clone().map_err(|cause| cause.to_string())?).stderr(log);
        self.server = Some(shell.spawn().map_err(|cause| format!("bash does not start: {cause}"))?);
        let answers = |port| TcpStream::connect(("127.0.0.1", port)).is_ok();
        process::until(PATIENCE, || answers(self.port) || self.has_ended());
        if answers(self.port) {
            return Ok(());
        }
        let said = fs::read_to_string(self.folder.join("server.log")).unwrap_or_default();
        Err(format!("the server does not answer: {}", said.trim()))
    }

    /// Runs a block and hands back what it printed.
    pub(super) fn run(&mut self, script: &str) -> Result<String, String> {
        process::read(&mut self.shell(&format!("ulimit -t {}\n{script}", PATIENCE.as_secs())))
    }

    fn shell(&self, script: &str) -> Command {
        let (port, further) = (self.port.to_string(), self.further_port.to_string());
        let start = script.replace("8087", &port).replace("8086", &port).replace("9090", &further);
        let written = WRITTEN.iter().fold(start, |text, (written, built)| text.replace(written, built));
        let mut shell = process::program("bash");
        shell.args(["-euo", "pipefail", "-c", &written]);
        shell.current_dir(&self.folder).stdin(Stdio::null());
        let programs = process::target().join("debug");
        let examples = programs.join("examples");
        let path = env::var_os("PATH").unwrap_or_default();
        let path = env::join_paths([programs, examples].into_iter().chain(env::split_paths(&path)));
        if let Ok(path) = path {
            shell.env("PATH", path);
        }
        shell.env("PORT", &port).env("GESTA_URL", format!("http://127.0.0.1:{port}"));
        shell.env("ORDERS_LISTEN", format!("127.0.0.1:{port}"));
        shell.env("ORDERS_METRICS_LISTEN", format!("127.0.0.1:{further}"));
        shell
    }

    fn has_ended(&mut self) -> bool {
        self.server.as_mut().is_none_or(|server| !matches!(server.try_wait(), Ok(None)))
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if let Some(mut server) = self.server.take() {
            // The shell has become the server, so this is the server's own process.
            let _ = process::signal(server.id(), "TERM");
            let _ = server.wait();
        }
    }
}
