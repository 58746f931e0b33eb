//! PostgreSQL with the settings it comes with: `fsync` and `synchronous_commit` on.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use super::{packages, tail};
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
    process::run(&mut start).map_err(|reason| format!("{reason}\n{}", tail(&folder.join("log"))))
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
