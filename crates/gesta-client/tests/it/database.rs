//! Databases for tests.

use std::{env, thread};

use tokio_postgres::NoTls;

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
        let name = format!("gesta_client_{}", uuid::Uuid::new_v4().simple());
        run(&server, &format!("CREATE DATABASE {name} TEMPLATE template0")).await;
        Self { server, name }
    }

    /// Its address.
    pub(crate) fn url(&self) -> String {
        let (base, _) = self.server.rsplit_once('/').expect("a database is named");
        format!("{base}/{}", self.name)
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
