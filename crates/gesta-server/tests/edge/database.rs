//! Databases for tests.

use std::{env, net::SocketAddr, sync::Arc, thread};

use gesta_conformance::fault_proxy::{Door, FaultProxy};
use gesta_postgres::Options;
use gesta_server::{Backend, Config, start_on};
use tokio::{
    net::{TcpListener, TcpStream},
    time::timeout,
};
use tokio_postgres::NoTls;

use crate::{
    process::Open,
    support::{PATIENCE, Wire, get},
};

/// A PostgreSQL database of its own, gone with this value.
pub(crate) struct Database {
    server: String,
    name: String,
}

impl Database {
    pub(crate) async fn new() -> Self {
        let server = env::var("GESTA_TEST_POSTGRES_URL").expect(
            "GESTA_TEST_POSTGRES_URL is not set: run `eval \"$(cargo xtask services start postgres)\"`, or `cargo xtask test`",
        );
        let name = format!("gesta_server_{}", uuid::Uuid::new_v4().simple());
        run(&server, &format!("CREATE DATABASE {name} TEMPLATE template0")).await;
        Self { server, name }
    }

    /// Its address.
    pub(crate) fn url(&self) -> String {
        let (base, _) = self.server.rsplit_once('/').expect("a database is named");
        format!("{base}/{}", self.name)
    }

    /// The log in it, for any number of processes.
    pub(crate) fn open(&self) -> Open {
        let url = self.url();
        Arc::new(move || {
            let url = url.clone();
            // Each process has a few connections, so that many tests at once fit the server.
            let options = Options::default().connections(4);
            Box::pin(async move { Backend::postgres(&url, options).await.expect("a store") })
        })
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let (server, sql) = (self.server.clone(), format!("DROP DATABASE {} WITH (FORCE)", self.name));
        let drop = move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime").block_on(run(&server, &sql));
        };
        let _ = thread::spawn(drop).join();
    }
}

/// A server whose database is gone says so before anybody loses an event on it, and is well again once it is back.
#[tokio::test]
async fn a_database_that_is_gone_makes_a_server_unhealthy_until_it_is_back() {
    let database = Database::new().await;
    let url = database.url();
    let (before, host) = url.split_once('@').expect("a user");
    let (host, name) = host.split_once('/').expect("a database");
    let proxy = FaultProxy::before(host.parse().expect("an address"), 1).await.expect("listens");
    let through = format!("{before}@{}/{name}", proxy.address());
    let backend = Backend::postgres(&through, Options::default().connections(2)).await.expect("a store");
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let running = start_on(listener, backend, Config::default()).await.expect("starts");
    let at = running.address();
    until(at, "/health/ready", 200).await;
    proxy.door(Door::Refuse);
    proxy.reset();
    let told = until(at, "/health", 503).await;
    assert!(told.contains("unhealthy") && !told.contains("postgres://"), "{told}");
    assert_eq!(asked(at, "/health/ready").await.0, 503);
    proxy.heal();
    until(at, "/health/ready", 200).await;
}

async fn asked(at: SocketAddr, path: &str) -> (u16, String) {
    let mut wire = Wire(TcpStream::connect(at).await.expect("it listens"));
    wire.send(&get(path, "")).await;
    let reply = wire.reply().await;
    (reply.status, reply.body)
}

/// The body once the reply has this status.
async fn until(at: SocketAddr, path: &str, status: u16) -> String {
    let look = async {
        loop {
            let (is, body) = asked(at, path).await;
            if is == status {
                return body;
            }
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, look).await.expect("it comes to that")
}

async fn run(url: &str, sql: &str) {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.expect("the server answers");
    tokio::spawn(connection);
    client.batch_execute(sql).await.expect("the server does it");
}
