//! Databases for tests.

use std::{env, sync::Arc, thread};

use gesta_postgres::Options;
use gesta_server::Backend;
use tokio_postgres::NoTls;

use crate::process::Open;

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

async fn run(url: &str, sql: &str) {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.expect("the server answers");
    tokio::spawn(connection);
    client.batch_execute(sql).await.expect("the server does it");
}
