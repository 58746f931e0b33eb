//! Connections to one database, and statements that may be sent twice.

use std::time::Duration;

use deadpool_postgres::{Object, Pool, PoolError};
use tokio_postgres::{Client, Error, Row};

use crate::{
    PostgresStore,
    error::{Sort, judge},
    flight::{self, Sent},
    options::Options,
    read::Values,
};

/// Connections to one database. Clones share them.
#[derive(Clone)]
pub(crate) struct Database {
    pool: Pool,
    /// How long to wait for an answer.
    patience: Duration,
}

impl Database {
    /// Over the connections of a pool.
    pub(crate) fn new(pool: Pool, options: &Options) -> Self {
        Self { pool, patience: options.statement_timeout }
    }

    /// The one that holds the log of a store.
    pub(crate) fn of(store: &PostgresStore) -> Self {
        Self::new(store.shared.pool.clone(), &store.shared.options)
    }

    /// How long one statement may take.
    pub(crate) fn patience(&self) -> Duration {
        self.patience
    }

    /// A connection, or why there is none.
    pub(crate) async fn connection(&self) -> Result<Object, String> {
        self.pool.get().await.map_err(|error| match error {
            PoolError::Backend(error) => judge(&error).1,
            other => format!("no connection is free: {other}"),
        })
    }

    /// Lets go of a connection that is dead, or does not answer, and of those that wait in the pool: they are as dead.
    pub(crate) fn give_up(&self, dead: Object) {
        drop(Object::take(dead));
        self.pool.retain(|_, _| false);
    }

    /// Sends statements at once, each a transaction of its own, and hands back the rows of all. They may be sent twice, where a
    /// connection turns out to be dead: so the second time must do no harm.
    pub(crate) async fn ask<const N: usize>(
        &self,
        statements: [(&str, &Values<'_>); N],
    ) -> Result<[Vec<Row>; N], String> {
        let mut again = true;
        loop {
            let client = self.connection().await?;
            let asked = tokio::time::timeout(self.patience, together(&client, statements)).await;
            let (sort, reason) = match asked {
                Ok(Ok(rows)) => return Ok(rows),
                Ok(Err(error)) => judge(&error),
                Err(_) => (Sort::Lost, format!("the database gave no answer within {:?}", self.patience)),
            };
            let lost = sort == Sort::Lost;
            if lost {
                self.give_up(client);
            }
            if !(lost && again) {
                return Err(reason);
            }
            again = false;
        }
    }

    /// The rows of one statement; see [`Database::ask`].
    pub(crate) async fn rows(&self, sql: &str, values: &Values<'_>) -> Result<Vec<Row>, String> {
        let [rows] = self.ask([(sql, values)]).await?;
        Ok(rows)
    }
}

async fn together<const N: usize>(
    client: &Client,
    statements: [(&str, &Values<'_>); N],
) -> Result<[Vec<Row>; N], Error> {
    let sent =
        statements.map(|(sql, values)| -> Sent<'_, Vec<Row>> { Box::pin(client.query_typed(sql, values)) });
    let mut rows = statements.map(|_| Vec::new());
    for (answer, place) in flight::answers(sent).await.into_iter().zip(&mut rows) {
        *place = answer?;
    }
    Ok(rows)
}
