//! Databases for tests.

use std::{env, net::SocketAddr, thread};

use gesta_core::{AppendBatch, ExpectedVersion, NewEvent};
use gesta_postgres::{Options, PostgresStore};
use tokio_postgres::{Client, NoTls};

/// A database of its own, gone with this value.
pub(crate) struct Database {
    server: String,
    name: String,
}

/// The server that tests use.
pub(crate) fn server() -> String {
    env::var("GESTA_TEST_POSTGRES_URL").expect(
        "GESTA_TEST_POSTGRES_URL is not set: run `eval \"$(cargo xtask services start postgres)\"`, or `cargo xtask test`",
    )
}

/// Where that is.
pub(crate) fn address() -> SocketAddr {
    let server = server();
    let address = server.split('@').nth(1).and_then(|rest| rest.split('/').next()).expect("an address");
    address.replace("localhost", "127.0.0.1").parse().expect("host and port")
}

/// An append of one event to this stream, whatever its version.
pub(crate) fn one(stream: &str) -> AppendBatch {
    AppendBatch::to(stream.parse().expect("legal"), ExpectedVersion::Any, [NewEvent::new("x", "{}")])
}

/// A fresh database.
pub(crate) async fn database() -> Database {
    let server = server();
    let name = format!("gesta_test_{}", uuid::Uuid::new_v4().simple());
    run(&server, &format!("CREATE DATABASE {name} TEMPLATE template0")).await;
    Database { server, name }
}

impl Database {
    /// Its address.
    pub(crate) fn url(&self) -> String {
        let (base, _) = self.server.rsplit_once('/').expect("a database is named");
        format!("{base}/{}", self.name)
    }

    /// Its name.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// A store on it.
    pub(crate) async fn store(&self) -> PostgresStore {
        PostgresStore::connect(&self.url(), Options::default()).await.expect("connects")
    }

    /// A plain connection to it.
    pub(crate) async fn client(&self) -> Client {
        client(&self.url()).await
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let (server, sql) = (self.server.clone(), format!("DROP DATABASE {} WITH (FORCE)", self.name));
        let drop = move || {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(run(&server, &sql));
        };
        let _ = thread::spawn(drop).join();
    }
}

/// A plain connection.
pub(crate) async fn client(url: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.expect("the server answers");
    tokio::spawn(connection);
    client
}

async fn run(url: &str, sql: &str) {
    client(url).await.batch_execute(sql).await.expect("the server does it");
}

/// How much of a test there is: `cargo xtask faults postgres` asks for more, and says so in the environment.
pub(crate) mod sizes {
    use std::env;

    /// How many rounds.
    pub(crate) fn rounds(short: u64) -> u64 {
        number("GESTA_FAULT_ROUNDS").unwrap_or(short)
    }

    /// Fixes every random choice.
    pub(crate) fn run() -> u64 {
        number("GESTA_FAULT_RUN").unwrap_or(1)
    }

    fn number(name: &str) -> Option<u64> {
        env::var(name).ok().map(|text| text.parse().expect("a number"))
    }
}
