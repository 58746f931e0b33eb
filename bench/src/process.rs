//! Programs under test, started on a port that is free, and what they use.

use std::{
    fs,
    net::{SocketAddr, TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use crate::settings::Settings;

/// A `gesta serve` of our own.
pub(crate) struct Server {
    child: Child,
    /// Where it listens.
    pub(crate) address: SocketAddr,
}

impl Server {
    /// Starts `gesta serve`, or our own `no-store`, on this folder and waits until it takes connections.
    pub(crate) fn start(settings: &Settings, verb: &str, data: &Path) -> Result<Self, String> {
        let address = free_address()?;
        let log = fs::File::create(data.with_extension("log")).map_err(|cause| cause.to_string())?;
        let me = std::env::current_exe().map_err(|cause| cause.to_string())?;
        let program = if verb == "serve" { &settings.gesta } else { &me };
        let mut command = Command::new(program);
        command.arg(verb).env("HOST", address.ip().to_string()).env("PORT", address.port().to_string());
        command.env("GESTA_DATA", data).env("GESTA_REQUEST_LOG", "false").env("RUST_LOG", "warn");
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        let child =
            command.spawn().map_err(|cause| format!("{} does not start: {cause}", program.display()))?;
        let mut server = Self { child, address };
        server.wait_until_it_answers()?;
        Ok(server)
    }

    fn wait_until_it_answers(&mut self) -> Result<(), String> {
        let deadline = Instant::now() + Duration::from_secs(120);
        while TcpStream::connect(self.address).is_err() {
            if let Ok(Some(status)) = self.child.try_wait() {
                return Err(format!("the server ended at once: {status}"));
            }
            if Instant::now() > deadline {
                return Err("the server takes no connections".into());
            }
            thread::sleep(Duration::from_millis(2));
        }
        Ok(())
    }

    /// Resident memory in bytes.
    pub(crate) fn memory(&self) -> u64 {
        memory(self.child.id())
    }

    fn end(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.end();
    }
}

/// Resident memory of a process in bytes; 0 when it is gone.
pub(crate) fn memory(process: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kibibytes = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kibibytes.unwrap_or(0) * 1024
}

/// Bytes of all files under a folder.
pub(crate) fn size(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .map(|entry| match entry.metadata() {
            Ok(about) if about.is_dir() => size(&entry.path()),
            Ok(about) => about.len(),
            Err(_) => 0,
        })
        .sum()
}

fn free_address() -> Result<SocketAddr, String> {
    TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .map_err(|cause| cause.to_string())
}
