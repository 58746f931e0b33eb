//! Redis with `appendfsync always`: it answers an append after the flush.

use std::path::Path;

use super::packages;
use crate::{Outcome, process};

/// Starts it on this port, its files in this folder.
pub(super) fn start(folder: &Path, port: u16) -> Outcome {
    packages::install(&["redis-server"])?;
    let mut server = process::program("redis-server");
    server.arg("--port").arg(port.to_string()).args(["--bind", "127.0.0.1", "--dir"]).arg(folder);
    server.args(["--save", "", "--appendonly", "yes", "--appendfsync", "always"]);
    server
        .args(["--maxmemory-policy", "noeviction", "--daemonize", "yes", "--pidfile"])
        .arg(folder.join("pid"));
    server.arg("--logfile").arg(folder.join("log"));
    process::read(&mut server).map(drop)
}
