//! Answers foreign queries, all from one state of the database.

use std::borrow::Cow;

use gesta_core::read_model::{MOST_ROWS, ReadModelError, Row, Statement};
use tokio_postgres::{Client, types::ToSql};

use super::{TRIES, answer, bind, failure, failure::Failure, guard};
use crate::{
    database::Database,
    flight::{self, Sent},
};

/// Answers all of them. A connection that is dead, and a state that was taken back, are tried again: nothing was changed.
pub(super) async fn answer(
    database: &Database,
    statements: &[Statement],
) -> Result<Vec<Vec<Row>>, ReadModelError> {
    let asked = statements.iter().enumerate().map(|(number, statement)| Asked::new(number, statement));
    let asked = asked.collect::<Result<Vec<_>, _>>()?;
    let mut tries = 1;
    loop {
        let client = database.connection().await.map_err(failure::unavailable)?;
        // The server ends a query after ten seconds by itself; a server that says nothing at all is given up.
        let done = tokio::time::timeout(database.patience(), together(&client, &asked)).await;
        let done = done.unwrap_or_else(|_| {
            Err(Failure::Lost(format!("the database gave no answer within {:?}", database.patience())))
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
    values: Vec<(bind::Bound<'a>, tokio_postgres::types::Type)>,
    declare: String,
    fetch: String,
}

impl<'a> Asked<'a> {
    fn new(number: usize, statement: &'a Statement) -> Result<Self, ReadModelError> {
        let known = guard::of_query(statement)?;
        let Statement { sql, .. } = statement;
        if sql.contains('\0') {
            return Err(failure::refused(
                &Cow::from(sql.replace('\0', "\\0")),
                "it holds the character \\u0000".into(),
            ));
        }
        Ok(Self {
            sql,
            values: bind::all(statement, &known.placeholders)?,
            declare: format!("DECLARE gesta_{number} NO SCROLL CURSOR FOR {sql}"),
            fetch: format!("FETCH FORWARD {} FROM gesta_{number}", MOST_ROWS + 1),
        })
    }
}

/// A transaction that only reads, sent as a whole: one way there and back. Its first lock comes before its snapshot, so
/// that no table is exchanged between the two.
async fn together(client: &Client, asked: &[Asked<'_>]) -> Result<Vec<Vec<Row>>, Failure> {
    let plain = |sql: &'static str| -> Sent<'_, Vec<tokio_postgres::Row>> {
        Box::pin(async move { client.batch_execute(sql).await.map(|()| Vec::new()) })
    };
    let mut sent = vec![plain(include_str!("../sql/begin_query.sql"))];
    for asked in asked {
        let values: Vec<_> =
            asked.values.iter().map(|(value, kind)| (value as &(dyn ToSql + Sync), kind.clone())).collect();
        sent.push(Box::pin(async move { client.query_typed(&asked.declare, &values).await }));
        sent.push(Box::pin(client.query_typed(&asked.fetch, &[])));
    }
    sent.push(plain("COMMIT"));
    let mut answers = flight::answers(sent).await.into_iter();
    let begun = answers.next().unwrap_or_else(|| Ok(Vec::new()));
    begun.map_err(|error| failure::sort("BEGIN", true, &error))?;
    let mut found = Vec::with_capacity(asked.len());
    for asked in asked {
        let mut answer = || answers.next().unwrap_or_else(|| Ok(Vec::new()));
        // What is wrong with a query shows when it is declared; what comes behind it fails for that.
        let rows = answer().and_then(|_| answer()).map_err(|error| failure::sort(asked.sql, true, &error));
        found.push(rows?);
    }
    let read = |(rows, asked): (Vec<tokio_postgres::Row>, &Asked<'_>)| {
        if rows.len() > MOST_ROWS {
            let statement = asked.sql.to_owned();
            return Err(Failure::Tell(ReadModelError::TooMany { most: MOST_ROWS, statement }));
        }
        answer::rows(&rows).map_err(Failure::Tell)
    };
    found.into_iter().zip(asked).map(read).collect()
}
