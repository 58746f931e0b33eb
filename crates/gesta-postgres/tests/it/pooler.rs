//! Through a pooler that hands connections out by the transaction: no session is anybody's, notifications are swallowed.

use std::{
    fs,
    net::{SocketAddr, TcpStream},
    process::{Child, Stdio},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use async_trait::async_trait;
use gesta_conformance::{Backend, conformance};
use gesta_core::{AppendBatch, EventStore, ExpectedVersion, NewEvent, StreamCatalog, Tenant};
use gesta_postgres::{ConnectError, Options, PostgresStore};
use tempfile::TempDir;

use crate::{
    cluster,
    support::{self, Database},
};

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(30);

/// A `pgbouncer` before the server of the tests, gone with this value.
struct Pooler {
    child: Child,
    address: SocketAddr,
    _folder: TempDir,
}

impl Pooler {
    async fn start() -> Self {
        let (server, folder, port) = (support::address(), cluster::folder(), cluster::free_port());
        let (host, upstream) = (server.ip(), server.port());
        let settings = format!(
            "[databases]\n* = host={host} port={upstream} user=gesta\n[pgbouncer]\nlisten_addr=127.0.0.1\n\
             listen_port={port}\nunix_socket_dir=\nauth_type=any\npool_mode=transaction\ndefault_pool_size=4\n\
             max_client_conn=300\nlogfile={}\n",
            folder.path().join("log").display()
        );
        let file = folder.path().join("settings.ini");
        fs::write(&file, settings).expect("written");
        cluster::give(&file);
        let mut command = cluster::as_its_user("/usr/sbin/pgbouncer");
        let child = command.arg(&file).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let child = child.expect("pgbouncer starts: apt-get install -y pgbouncer");
        let pooler = Self { child, address: SocketAddr::from(([127, 0, 0, 1], port)), _folder: folder };
        pooler.until_it_answers().await;
        pooler
    }

    async fn until_it_answers(&self) {
        let began = Instant::now();
        while TcpStream::connect(self.address).is_err() {
            assert!(began.elapsed() < PATIENCE, "pgbouncer does not answer: apt-get install -y pgbouncer");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    fn url(&self, database: &Database) -> String {
        cluster::url(self.address, database.name())
    }
}

impl Drop for Pooler {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn options() -> Options {
    Options::default().poll(Duration::from_millis(50))
}

/// A store that knows the server through a pooler only.
struct Pooled {
    store: Mutex<PostgresStore>,
    pooler: Pooler,
    database: Database,
}

impl Pooled {
    fn current(&self) -> PostgresStore {
        self.store.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn connect(&self) -> PostgresStore {
        PostgresStore::connect(&self.pooler.url(&self.database), options()).await.expect("connects")
    }
}

#[async_trait]
impl Backend for Pooled {
    async fn store(&self, _: &Tenant) -> Arc<dyn EventStore> {
        Arc::new(self.current())
    }

    async fn catalog(&self, _: &Tenant) -> Arc<dyn StreamCatalog> {
        Arc::new(self.current())
    }

    async fn reopen(&self) -> bool {
        self.current().close().await;
        *self.store.lock().unwrap_or_else(PoisonError::into_inner) = self.connect().await;
        true
    }
}

/// The schema is there: it was made on a direct connection.
async fn pooled() -> Pooled {
    let database = support::database().await;
    let direct = database.store().await;
    direct.close().await;
    let pooler = Pooler::start().await;
    let store = PostgresStore::connect(&pooler.url(&database), options()).await.expect("connects");
    Pooled { store: Mutex::new(store), pooler, database }
}

conformance!(pooled);

/// Another process is heard of at the next look, with or without notifications.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_append_of_another_process_is_seen_at_the_next_look() {
    let pooled = pooled().await;
    let (one, other) = (pooled.current(), pooled.connect().await);
    let mut wakeups = other.wakeups();
    for n in 1..=10_u64 {
        let event = NewEvent::new("tried", n.to_string());
        one.append(AppendBatch::to("wake-1".parse().expect("legal"), ExpectedVersion::Any, [event]))
            .await
            .expect("appends");
        while tokio::time::timeout(PATIENCE, wakeups.next()).await.expect("seen").get() < n {}
    }
    one.close().await;
    other.close().await;
}

/// The schema is made through the pooler, or the error says where to make it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_schema_is_made_through_it_or_the_error_says_how() {
    let (database, pooler) = (support::database().await, Pooler::start().await);
    let url = pooler.url(&database);
    for _ in 0..3 {
        let (one, two) =
            tokio::join!(PostgresStore::connect(&url, options()), PostgresStore::connect(&url, options()));
        for tried in [one, two] {
            match tried {
                Ok(store) => store.close().await,
                Err(ConnectError::Migration { reason, .. }) => {
                    assert!(reason.contains("connect once to the server itself"), "{reason}");
                }
                Err(other) => panic!("{other}"),
            }
        }
    }
    database.store().await.close().await;
    let store = PostgresStore::connect(&url, options()).await.expect("connects");
    store.close().await;
}
