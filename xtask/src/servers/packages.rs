//! Debian packages that a step needs.

use crate::{Outcome, process};

/// A program and the package it comes in.
const PACKAGES: [(&str, &str); 8] = [
    ("redis-server", "redis-server"),
    ("pg_ctlcluster", "postgresql"),
    ("pgbouncer", "pgbouncer"),
    ("openssl", "openssl"),
    ("strace", "strace"),
    ("mkfs.ext4", "e2fsprogs"),
    ("losetup", "mount"),
    ("runuser", "util-linux"),
];

/// Sees to it that these programs are there: installs their packages as root, else says which command does.
pub(crate) fn install(programs: &[&str]) -> Outcome {
    let missing: Vec<&str> =
        programs.iter().copied().filter(|name| process::installed(name).is_none()).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let mut packages: Vec<&str> = missing.iter().map(|program| package(program)).collect();
    packages.dedup();
    let remedy = format!("apt-get install -y --no-install-recommends {}", packages.join(" "));
    if !process::is_root() || process::installed("apt-get").is_none() {
        return Err(format!("{} not installed; as root: {remedy}", missing.join(", ")));
    }
    eprintln!("xtask: {remedy}");
    // Lists may be old or absent on a fresh machine; an update that fails may still leave enough of them.
    let _ = apt(&["update", "-q"]);
    let mut arguments = vec!["install", "-y", "-q", "--no-install-recommends"];
    arguments.extend(packages);
    apt(&arguments)
}

fn package(program: &str) -> &str {
    PACKAGES.iter().find(|(name, _)| *name == program).map_or(program, |(_, package)| package)
}

fn apt(arguments: &[&str]) -> Outcome {
    let mut command = process::program("apt-get");
    command.args(arguments).env("DEBIAN_FRONTEND", "noninteractive");
    // What it says is for the log; standard output belongs to the variables that `services start` prints.
    command.stdout(std::io::stderr());
    process::run(&mut command)
}
