//! The writer: one transaction for each group, settled if its outcome was not heard.

use std::{sync::Arc, time::Duration};

use gesta_core::{Position, Timestamp};
use tokio::time::{Instant, sleep, timeout_at};
use tokio_postgres::{
    Client,
    error::Severity,
    types::{ToSql, Type},
};

use super::{
    Requests,
    group::{Group, Put},
    streams::Streams,
    view::View,
};
use crate::{
    error::{Sort, judge, nothing_stored},
    planted::{Bug, NO_LOCK, armed},
    probe::probe,
    read::{self, COLUMNS},
    shared::{Shared, position},
};

/// First and longest wait before a connection is tried again.
const AGAIN: (Duration, Duration) = (Duration::from_millis(20), Duration::from_secs(1));

const APPEND: &str = "SELECT after, recorded_at, stood \
     FROM gesta.append($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)";
/// Begins a transaction that ends, with the lock it may take, if this process stops in the middle of it.
pub(crate) const BEGIN: &str = "BEGIN ISOLATION LEVEL READ COMMITTED; \
     SET LOCAL idle_in_transaction_session_timeout = '10s'; SET LOCAL statement_timeout = '30s'";

/// Why a try came to nothing.
struct Failed {
    sort: Sort,
    reason: String,
    /// Whether the server said that it undid the transaction: then nothing of this try is stored, for certain.
    undone: bool,
}

impl Failed {
    fn new(sort: Sort, reason: impl Into<String>) -> Self {
        Self { sort, reason: reason.into(), undone: false }
    }
}

impl From<tokio_postgres::Error> for Failed {
    fn from(error: tokio_postgres::Error) -> Self {
        let (sort, reason) = judge(&error);
        // An error ends the transaction, at its commit too; whoever is thrown out may have committed.
        let undone = sort != Sort::Lost
            && error.as_db_error().is_some_and(|told| told.parsed_severity() == Some(Severity::Error));
        Self { sort, reason, undone }
    }
}

/// The one task of a store that appends.
pub(crate) struct Writer {
    shared: Arc<Shared>,
    requests: Requests,
    client: Option<Client>,
}

impl Writer {
    pub(crate) fn new(shared: Arc<Shared>, requests: Requests) -> Self {
        Self { shared, requests, client: None }
    }

    /// Appends until the queue is closed and empty.
    pub(crate) async fn run(mut self) {
        while let Some(requests) = self.requests.group().await {
            self.append(Group::new(requests)).await;
        }
    }

    /// Appends a group: until it is done, or refused, or out of time. Trying again is safe, because ids that are known
    /// are not appended again.
    async fn append(&mut self, mut group: Group) {
        let deadline = Instant::now() + self.shared.options.append_timeout;
        let mut wait = AGAIN.0;
        while !group.is_answered() {
            let doubts = group.in_doubt();
            let late = || Failed::new(Sort::Lost, "the server did not answer in time");
            let tried = timeout_at(deadline, self.attempt(&mut group)).await.unwrap_or_else(|_| Err(late()));
            let Err(failed) = tried else {
                self.shared.noticed(None);
                return;
            };
            if failed.sort == Sort::Lost {
                self.client = None;
            }
            if failed.undone {
                group.was_undone(doubts);
            }
            self.shared.noticed((failed.sort != Sort::Busy).then(|| failed.reason.clone()));
            let out_of_time = deadline < Instant::now() + wait;
            if failed.sort != Sort::Lost || out_of_time || armed(Bug::UnknownAsRefused) {
                let Failed { sort, reason, .. } = failed;
                group.refuse(&reason, || nothing_stored((sort, reason.clone())));
                return;
            }
            sleep(wait).await;
            wait = (wait * 2).min(AGAIN.1);
        }
    }

    async fn attempt(&mut self, group: &mut Group) -> Result<(), Failed> {
        if self.client.as_ref().is_none_or(Client::is_closed) {
            self.client = Some(self.connect().await?);
        }
        let client = self.client.as_ref().expect("connected just now");
        let done = transaction(client, &self.shared, group).await;
        if let Err(Failed { sort: Sort::Busy | Sort::Unusable, .. }) = &done {
            // What is pending of the transaction is over; a connection that cannot even do this is replaced.
            let rolled_back = client.batch_execute("ROLLBACK").await.is_ok();
            // A setting of the server may have changed: the next connection asks again what it promises.
            if !rolled_back || matches!(done, Err(Failed { sort: Sort::Unusable, .. })) {
                self.client = None;
            }
        }
        done
    }

    async fn connect(&self) -> Result<Client, Failed> {
        let connector = &self.shared.connector;
        let lost = |error: crate::ConnectError| Failed::new(Sort::Lost, error.to_string());
        let (client, _) = connector.client().await.map_err(lost)?;
        let promise = probe(&client, connector.place()).await.map_err(lost)?;
        *self.shared.promise.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = promise;
        if armed(Bug::LockRemoved) {
            client.batch_execute(NO_LOCK).await?;
        }
        Ok(client)
    }
}

/// One way to the server and back if what callers expect is true, as it is nearly always; else two more, under the lock.
async fn transaction(client: &Client, shared: &Shared, group: &mut Group) -> Result<(), Failed> {
    if let Some(believed) = group.believed()
        && group.decide(View { versions: believed.versions(), ..View::default() })
    {
        let explicit = group.is_partly_relaxed() || !shared.promise().autocommit;
        let ending = if explicit { Ending::Around } else { Ending::Itself };
        let doubts = group.in_doubt();
        if append(client, shared, group, &believed, ending).await? {
            return Ok(());
        }
        group.was_undone(doubts);
    }
    let (streams, appends) = look(client, group).await?;
    if !appends {
        client.batch_execute("SELECT gesta.make_safe(); COMMIT").await?;
        let nowhere =
            Put { after: Position::new(u64::MAX >> 2), at: Timestamp::default(), stood: Vec::new() };
        group.parts(&streams).1.give(false, shared.promise().durability, &nowhere);
        return Ok(());
    }
    if append(client, shared, group, &streams, Ending::Commit).await? {
        return Ok(());
    }
    Err(Failed::new(Sort::Busy, "what was read under the lock of the log did not hold"))
}

/// Takes the lock, finds out what is there and decides again. Answers with the streams, and whether something is to be
/// appended.
async fn look(client: &Client, group: &mut Group) -> Result<(Streams, bool), Failed> {
    let streams = group.streams();
    let (streams, events) = {
        let (tenants, names, asked) = (streams.tenants(), streams.names(), group.ids());
        let named: [(&(dyn ToSql + Sync), Type); 2] =
            [(&tenants, Type::TEXT_ARRAY), (&names, Type::TEXT_ARRAY)];
        let ids: [(&(dyn ToSql + Sync), Type); 2] =
            [(&asked.tenants, Type::TEXT_ARRAY), (&asked.ids, Type::UUID_ARRAY)];
        let known = format!("SELECT {COLUMNS} FROM gesta.events_by_id($1, $2)");
        let (_, _, versions, known) = tokio::try_join!(
            biased;
            client.batch_execute(BEGIN),
            client.query_typed("SELECT gesta.lock_log()", &[]),
            client.query_typed("SELECT gesta.stream_versions($1, $2)", &named),
            client.query_typed(&known, &ids),
        )?;
        let known = known.iter().map(read::event).collect::<Result<Vec<_>, _>>();
        let known = known.map_err(|error| Failed::new(Sort::Unusable, error.to_string()))?;
        let versions: Vec<u64> = versions.iter().map(|row| position(row.get(0)).get()).collect();
        (versions, known)
    };
    let streams = group.streams().found(streams.into_iter());
    let events = events.into_iter().map(|event| ((event.tenant.clone(), event.id), event)).collect();
    let appends = group.decide(View { versions: streams.versions(), events });
    Ok((streams, appends))
}

/// What is around the statement that appends.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ending {
    /// Nothing: it is a transaction of its own.
    Itself,
    /// A transaction begins before it and ends behind it.
    Around,
    /// The transaction it is in ends behind it.
    Commit,
}

/// Appends what was decided and commits it, all sent at once; `false` if it stood on a wrong belief, and nothing was stored.
async fn append(
    client: &Client,
    shared: &Shared,
    group: &mut Group,
    streams: &Streams,
    ending: Ending,
) -> Result<bool, Failed> {
    let class = shared.promise().durability;
    group.may_be_stored(ending == Ending::Commit);
    let (columns, mut answers) = group.parts(streams);
    let (tenants, names, stands) = (streams.tenants(), streams.names(), streams.stands());
    let mut values: Vec<(&(dyn ToSql + Sync), Type)> =
        vec![(&tenants, Type::TEXT_ARRAY), (&names, Type::TEXT_ARRAY), (&stands, Type::INT8_ARRAY)];
    values.extend(columns.values());
    let begin = async {
        if ending == Ending::Around {
            client.batch_execute(BEGIN).await.map_err(Failed::from)
        } else {
            Ok(())
        }
    };
    let append = async {
        let rows = client.query_typed(APPEND, &values).await?;
        let row = rows.first().ok_or_else(|| Failed::new(Sort::Unusable, "no answer"))?;
        let Some(after) = row.get::<_, Option<i64>>(0) else { return Ok(None) };
        let at = Timestamp::from_micros(row.get::<_, jiff::Timestamp>(1).as_microsecond());
        let stood = row.get::<_, Vec<i64>>(2).into_iter().map(|version| position(version).get()).collect();
        let put = Put { after: position(after), at, stood };
        if ending != Ending::Itself {
            answers.give(true, class, &put);
        }
        Ok::<_, Failed>(Some(put))
    };
    let commit = async {
        if ending == Ending::Itself {
            Ok(())
        } else {
            client.batch_execute("COMMIT").await.map_err(Failed::from)
        }
    };
    let ((), put, ()) = tokio::try_join!(biased; begin, append, commit)?;
    let Some(put) = put else {
        return Ok(false);
    };
    answers.give(false, class, &put);
    shared.appended(Position::new(put.after.get() + columns.len()));
    Ok(true)
}
