//! Answers foreign queries, all from one state of the database.

use std::time::Duration;

use gesta_core::read_model::{MOST_ROWS, ReadModelError, Row, Statement};
use tokio_postgres::{
    Client,
    types::{ToSql, Type},
};

use super::{TRIES, answer, bind, failure, failure::Failure, guard};
use crate::{
    database::Database,
    flight::{self, Sent},
};

/// So long each of the queries may take that are answered together; a store may be told a shorter time.
const LONGEST: Duration = Duration::from_secs(10);

/// So much later a server is given up that says nothing at all.
const SILENCE: Duration = Duration::from_secs(5);

/// Answers all of them. A connection that is dead, and a state that was taken back, are tried again: nothing was changed.
pub(super) async fn answer(
    database: &Database,
    statements: &[Statement],
) -> Result<Vec<Vec<Row>>, ReadModelError> {
    let asked = statements.iter().enumerate().map(|(number, statement)| Asked::new(number, statement));
    let asked = asked.collect::<Result<Vec<_>, _>>()?;
    let longest = database.patience().min(LONGEST);
    let silence = longest * u32::try_from(asked.len()).unwrap_or(u32::MAX) + SILENCE;
    let mut tries = 1;
    loop {
        let client = database.connection().await.map_err(failure::unavailable)?;
        let done = tokio::time::timeout(silence, together(&client, &asked, longest)).await;
        let done = done.unwrap_or_else(|_| {
            Err(Failure::Lost(format!("the database gave no answer within {silence:?}")))
        });
        let reason = match done {
            Ok(rows) => return Ok(rows),
            Err(Failure::Tell(error)) => return Err(error),
            Err(Failure::TakenBack(reason)) => reason,
            Err(Failure::Lost(reason)) => {
                database.give_up(client);
                reason
            }
        };
        if tries == TRIES {
            return Err(failure::unavailable(reason));
        }
        tries += 1;
    }
}

/// A query, and the two statements it becomes: the server reads no further than an answer may be long.
struct Asked<'a> {
    sql: &'a str,
    values: Vec<(bind::Bound<'a>, Type)>,
    declare: String,
    fetch: String,
}

impl<'a> Asked<'a> {
    fn new(number: usize, statement: &'a Statement) -> Result<Self, ReadModelError> {
        let known = guard::of_query(statement)?;
        let sql = &*statement.sql;
        Ok(Self {
            sql,
            values: bind::all(statement, &known.placeholders)?,
            declare: format!("DECLARE gesta_{number} NO SCROLL CURSOR FOR {sql}"),
            fetch: format!("FETCH FORWARD {} FROM gesta_{number}", MOST_ROWS + 1),
        })
    }

    /// The rows as values; more than one answer may hold are refused.
    fn read(&self, rows: &[tokio_postgres::Row]) -> Result<Vec<Row>, ReadModelError> {
        if rows.len() > MOST_ROWS {
            return Err(ReadModelError::TooMany { most: MOST_ROWS, statement: self.sql.to_owned() });
        }
        answer::rows(rows)
    }
}

/// A transaction that only reads, sent as a whole: one way there and back. Its first lock comes before its snapshot, so
/// that no table is exchanged between the two.
async fn together(client: &Client, asked: &[Asked<'_>], longest: Duration) -> Result<Vec<Vec<Row>>, Failure> {
    let bounded = format!("SET LOCAL statement_timeout = {}", longest.as_millis());
    let begin = [include_str!("../sql/begin_query.sql"), &bounded];
    let mut sent: Vec<_> = begin.into_iter().map(|sql| plain(client, sql)).collect();
    for asked in asked {
        let values: Vec<_> =
            asked.values.iter().map(|(value, kind)| (value as &(dyn ToSql + Sync), kind.clone())).collect();
        sent.push(Box::pin(async move { client.query_typed(&asked.declare, &values).await }));
        sent.push(Box::pin(client.query_typed(&asked.fetch, &[])));
    }
    sent.push(plain(client, "COMMIT"));
    let mut answers = flight::answers(sent).await.into_iter();
    for begun in answers.by_ref().take(begin.len()) {
        begun.map_err(|error| failure::sort("BEGIN", true, &error))?;
    }
    let mut found = Vec::with_capacity(asked.len());
    for asked in asked {
        let mut answer = || answers.next().unwrap_or_else(|| Ok(Vec::new()));
        // What is wrong with a query shows when it is declared; what comes behind it fails for that.
        let rows = answer().and_then(|_| answer()).map_err(|error| failure::sort(asked.sql, true, &error))?;
        found.push(asked.read(&rows).map_err(Failure::Tell)?);
    }
    Ok(found)
}

fn plain<'a>(client: &'a Client, sql: &'a str) -> Sent<'a, Vec<tokio_postgres::Row>> {
    Box::pin(async move { client.batch_execute(sql).await.map(|()| Vec::new()) })
}
