//! PostgreSQL with the settings it comes with: `fsync` and `synchronous_commit` on.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use super::{folder_of_its_user, free_port, packages};
use crate::{Outcome, process};

/// Where its data is.
pub(super) fn data(folder: &Path) -> PathBuf {
    folder.join("data")
}

/// Starts it on this port, its files in this folder.
pub(super) fn start(folder: &Path, port: u16) -> Outcome {
    packages::install(&["pg_ctlcluster", "runuser"])?;
    let programs = programs()?;
    let data = data(folder);
    if process::is_root() {
        process::run(process::program("chown").arg("-R").arg("postgres").arg(folder))?;
    }
    if !data.join("PG_VERSION").is_file() {
        let mut create = as_its_user(&programs.join("initdb"));
        create.arg("-D").arg(&data).args(["-U", "gesta", "-A", "trust", "--no-locale", "-E", "UTF8"]);
        process::read(&mut create)?;
    }
    let settings = format!(
        "listen_addresses='127.0.0.1'\nport={port}\nunix_socket_directories=''\nmax_connections=400\n"
    );
    fs::write(data.join("postgresql.auto.conf"), settings).map_err(|cause| cause.to_string())?;
    let mut start = as_its_user(&programs.join("pg_ctl"));
    start.arg("-D").arg(&data).arg("-l").arg(folder.join("log")).args(["-w", "start"]);
    // What pg_ctl prints is of no use; and the server would hold our pipe open if we read it.
    start.stdout(std::process::Stdio::null());
    process::run(&mut start).map_err(|reason| format!("{reason}\n{}", process::tail(&folder.join("log"))))
}

/// A server of a fault's own, which it may kill; fresh, and gone with this value.
pub(crate) struct Cluster {
    folder: PathBuf,
    port: u16,
}

impl Cluster {
    /// Makes one of this name and starts it.
    pub(crate) fn fresh(name: &str) -> Result<Self, String> {
        let cluster = Self { folder: folder_of_its_user("faults", name), port: free_port()? };
        process::fresh_folder(&cluster.folder)?;
        cluster.start()?;
        Ok(cluster)
    }

    /// Starts it, and waits until it has recovered.
    pub(crate) fn start(&self) -> Outcome {
        start(&self.folder, self.port)
    }

    /// As if its machine's power went, but for what the kernel holds.
    pub(crate) fn stop_at_once(&self) -> Outcome {
        let mut stop = as_its_user(&programs()?.join("pg_ctl"));
        stop.arg("-D").arg(data(&self.folder)).args(["-w", "-m", "immediate", "stop"]);
        process::read(&mut stop).map(drop)
    }

    /// The address of its one database.
    pub(crate) fn url(&self) -> String {
        format!("postgres://gesta@127.0.0.1:{}/postgres", self.port)
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // One that is down already says so.
        let _ = self.stop_at_once();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// The newest version's folder of programs.
fn programs() -> Result<PathBuf, String> {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let version = |path: &Path| path.file_name()?.to_str()?.parse::<u32>().ok();
    let newest = versions.map(|entry| entry.path()).max_by_key(|path| version(path));
    newest.map(|path| path.join("bin")).filter(|bin| bin.join("initdb").is_file()).ok_or_else(|| {
        "PostgreSQL's programs are not in /usr/lib/postgresql; as root: apt-get install -y postgresql".into()
    })
}

/// PostgreSQL refuses to run as root, so there it is run as the user its package made.
fn as_its_user(name: &Path) -> Command {
    if !process::is_root() {
        return process::program(name);
    }
    let mut command = process::program("runuser");
    command.args(["-u", "postgres", "--"]).arg(name);
    command
}
