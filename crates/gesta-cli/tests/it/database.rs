//! PostgreSQL databases for tests.

use std::{env, thread};

use tokio_postgres::{Client, NoTls};

/// A database of its own, gone with this value.
pub(crate) struct Database {
    server: String,
    name: String,
}

impl Database {
    /// A fresh one.
    pub(crate) fn fresh() -> Self {
        let server = env::var("GESTA_TEST_POSTGRES_URL").expect(
            "GESTA_TEST_POSTGRES_URL is not set: run `eval \"$(cargo xtask services start postgres)\"`, or `cargo xtask test`",
        );
        let name = format!("gesta_test_{}", uuid::Uuid::new_v4().simple());
        run(&server, &format!("CREATE DATABASE {name} TEMPLATE template0"));
        Self { server, name }
    }

    /// Its address.
    pub(crate) fn url(&self) -> String {
        let (base, _) = self.server.rsplit_once('/').expect("a database is named");
        format!("{base}/{}", self.name)
    }

    /// Runs statements in it.
    pub(crate) fn run(&self, sql: &str) {
        run(&self.url(), sql);
    }

    /// The number that a query answers with, if it can be asked.
    pub(crate) fn number(&self, query: &str) -> Option<u64> {
        let query = query.to_owned();
        let asked = with(&self.url(), async move |client| client.query_one(&query, &[]).await.ok());
        asked.and_then(|row| u64::try_from(row.get::<_, i64>(0)).ok())
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        run(&self.server, &format!("DROP DATABASE {} WITH (FORCE)", self.name));
    }
}

fn run(url: &str, sql: &str) {
    let sql = sql.to_owned();
    with(url, async move |client| client.batch_execute(&sql).await.expect("the server does it"));
}

/// On a thread of its own, wherever it is called from.
fn with<T: Send + 'static>(url: &str, work: impl AsyncFnOnce(Client) -> T + Send + 'static) -> T {
    let url = url.to_owned();
    let asked = move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let (client, connection) =
                tokio_postgres::connect(&url, NoTls).await.expect("the server answers");
            tokio::spawn(connection);
            work(client).await
        })
    };
    thread::spawn(asked).join().expect("it ran")
}
