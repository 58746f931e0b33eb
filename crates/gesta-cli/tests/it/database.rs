//! PostgreSQL databases for tests.

use std::thread;

/// As the store on PostgreSQL has them.
#[allow(dead_code, reason = "each crate needs a part of it")]
#[path = "../../../gesta-postgres/tests/it/support.rs"]
mod postgres;

/// A database of its own, gone with this value.
pub(crate) struct Database(postgres::Database);

impl Database {
    /// A fresh one.
    pub(crate) fn fresh() -> Self {
        Self(done(postgres::database()))
    }

    /// Its address.
    pub(crate) fn url(&self) -> String {
        self.0.url()
    }

    /// Runs statements in it.
    pub(crate) fn run(&self, sql: &str) {
        done(async { self.0.client().await.batch_execute(sql).await.expect("the server does it") });
    }

    /// The number that a query answers with, if it can be asked.
    pub(crate) fn number(&self, query: &str) -> Option<u64> {
        let asked = done(async { self.0.client().await.query_one(query, &[]).await.ok() });
        asked.and_then(|row| u64::try_from(row.get::<_, i64>(0)).ok())
    }
}

/// On a thread of its own, wherever it is called from.
fn done<T: Send>(work: impl Future<Output = T> + Send) -> T {
    let asked = || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(work)
    };
    thread::scope(|scope| scope.spawn(asked).join().expect("it ran"))
}
