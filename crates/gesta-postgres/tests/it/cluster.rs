//! A PostgreSQL server of a test's own, which it may kill: loopback only, gone with its value.

use std::{
    fs,
    net::{SocketAddr, TcpListener},
    os::unix::{
        fs::{MetadataExt, PermissionsExt, chown},
        process::CommandExt,
    },
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use tempfile::TempDir;
use tokio_postgres::Client;

use crate::support;

/// A server and its data.
pub(crate) struct Cluster {
    folder: TempDir,
    port: u16,
}

impl Cluster {
    /// Makes one with these lines in its settings, and starts it.
    pub(crate) fn start(settings: &str) -> Self {
        let cluster = Self { folder: folder(), port: free_port() };
        let mut create = as_its_user("initdb");
        create.arg("-D").arg(cluster.data());
        create.args(["-U", "gesta", "-A", "trust", "--no-locale", "-E", "UTF8", "--no-sync"]);
        run(&mut create);
        cluster.configure(settings);
        cluster.up();
        cluster
    }

    /// A standby of this server, made from its base backup and following it; `settings` are its own.
    pub(crate) fn standby(&self, settings: &str) -> Self {
        let standby = Self { folder: folder(), port: free_port() };
        let mut copy = as_its_user("pg_basebackup");
        copy.arg("-D").arg(standby.data()).args(["-X", "stream", "-c", "fast", "-R", "--no-sync"]);
        copy.args(["-d", &format!("host=127.0.0.1 port={} user=gesta application_name=standby", self.port)]);
        run(&mut copy);
        standby.configure(settings);
        standby.up();
        standby
    }

    /// Appends to its settings; the last line of a name wins.
    pub(crate) fn configure(&self, settings: &str) {
        let file = self.data().join("postgresql.conf");
        let own = format!(
            "listen_addresses='127.0.0.1'\nport={}\nunix_socket_directories=''\nautovacuum=off\n",
            self.port
        );
        let text = fs::read_to_string(&file).expect("its settings") + &own + settings + "\n";
        fs::write(&file, text).expect("its settings are written");
    }

    /// A file of the server's user, which nobody else may read.
    pub(crate) fn private_file(&self, name: &str, text: &str) {
        let file = self.data().join(name);
        fs::write(&file, text).expect("written");
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).expect("private");
        give(&file);
    }

    /// Starts it, and waits until it has recovered.
    pub(crate) fn up(&self) {
        let log = self.folder.path().join("log");
        let mut start = as_its_user("pg_ctl");
        start.arg("-D").arg(self.data()).arg("-l").arg(&log).args(["-w", "-t", "60", "start"]);
        // The server would hold a pipe open if we read it.
        let done = start.stdout(Stdio::null()).stderr(Stdio::null()).status().expect("pg_ctl runs");
        assert!(done.success(), "the server does not start: {}", fs::read_to_string(log).unwrap_or_default());
    }

    /// As if the machine's power went, but for what the kernel holds: no session ends in peace, nothing is flushed.
    pub(crate) fn stop_at_once(&self) {
        run(as_its_user("pg_ctl").arg("-D").arg(self.data()).args(["-w", "-m", "immediate", "stop"]));
    }

    /// Reads its settings again.
    pub(crate) fn reload(&self) {
        run(as_its_user("pg_ctl").arg("-D").arg(self.data()).args(["-w", "reload"]));
    }

    /// Makes a standby the server to write to.
    pub(crate) fn promote(&self) {
        run(as_its_user("pg_ctl").arg("-D").arg(self.data()).args(["-w", "promote"]));
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.port))
    }

    /// The address of one of its databases.
    pub(crate) fn url(&self, database: &str) -> String {
        url(self.address(), database)
    }

    /// A fresh database, and its name.
    pub(crate) async fn database(&self) -> String {
        let name = format!("log_{}", uuid::Uuid::new_v4().simple());
        let made = format!("CREATE DATABASE {name} TEMPLATE template0");
        self.client("postgres").await.batch_execute(&made).await.expect("made");
        name
    }

    /// A plain connection to one of its databases.
    pub(crate) async fn client(&self, database: &str) -> Client {
        support::client(&self.url(database)).await
    }

    /// Its folder of data.
    pub(crate) fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let mut stop = as_its_user("pg_ctl");
        stop.arg("-D").arg(self.data()).args(["-w", "-m", "immediate", "stop"]);
        // One that is down already says so.
        let _ = stop.stdout(Stdio::null()).stderr(Stdio::null()).status();
    }
}

/// The address of a database behind a port.
pub(crate) fn url(at: SocketAddr, database: &str) -> String {
    format!("postgres://gesta@{at}/{database}")
}

/// A port that nobody listens on just now.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a port").port()
}

/// A folder that the server's user may write to.
pub(crate) fn folder() -> TempDir {
    let folder = tempfile::Builder::new().prefix("gesta-postgres-").tempdir().expect("a folder");
    give(folder.path());
    folder
}

/// A program of PostgreSQL, or another, as the user that the server runs as: it refuses to run as root. It is the
/// process itself and nothing stands before it, so that ending it ends the program.
pub(crate) fn as_its_user(name: &str) -> Command {
    let mut command = Command::new(if name.contains('/') { name.into() } else { programs().join(name) });
    if is_root() {
        let home = its_home();
        command.uid(home.uid()).gid(home.gid());
    }
    command.current_dir("/").stdin(Stdio::null());
    command
}

fn its_home() -> fs::Metadata {
    fs::metadata("/var/lib/postgresql").expect("the home of the user postgres: apt-get install -y postgresql")
}

fn run(command: &mut Command) {
    let done = command.output().expect("a program of PostgreSQL starts");
    assert!(done.status.success(), "{command:?}: {}", String::from_utf8_lossy(&done.stderr));
}

fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|about| about.uid() == 0)
}

/// Hands a file of root's to the server's user.
pub(crate) fn give(path: &Path) {
    if is_root() {
        let home = its_home();
        chown(path, Some(home.uid()), Some(home.gid())).expect("root may give files away");
    }
}

/// The newest version's folder of programs.
fn programs() -> PathBuf {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let version = |path: &PathBuf| path.file_name()?.to_str()?.parse::<u32>().ok();
    let newest = versions.map(|entry| entry.path()).max_by_key(version);
    newest.expect("PostgreSQL is not in /usr/lib/postgresql: apt-get install -y postgresql").join("bin")
}
