//! What is done to the server and to the way there.

use futures_util::future::join_all;
use gesta_conformance::fault_proxy::{Door, Fault as Cut, Side};
use gesta_core::{AppendBatch, AppendError, ExpectedVersion, NewEvent};
use tokio_postgres::error::SqlState;

use super::*;

/// One kind of trouble.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fault {
    /// The server stops at once, and starts again.
    Stop,
    /// Sessions are thrown out.
    Terminate,
    /// The connection ends just before a commit arrives.
    CommitLost,
    /// The connection ends just behind a commit.
    CutBehindCommit,
    /// The answer to a commit is lost.
    AnswerLost,
    /// The connection ends anywhere.
    CutAnywhere,
    /// A transaction reads for long, and sees nothing new.
    LongTransaction,
    /// Deadlocks and serialization failures in other tables.
    Storms,
    /// No connection is left.
    Exhausted,
    /// The lock of the log is held for longer than appends wait.
    LockHeld,
    /// A session is paused between numbering and commit, and thrown out.
    HolderThrownOut,
    /// The primary stops at once, and its standby takes over: on servers of its own.
    Promote,
}

/// What a transaction ends with in so many words: in requests and in replies.
const COMMIT: &[u8] = b"COMMIT\0";
/// Runs a statement; with what follows it a statement that is a transaction of its own is committed.
const EXECUTE: &[u8] = b"E\0\0\0\x09\0\0\0\0\0";
const SYNC: &[u8] = b"S\0\0\0\x04";
/// What answers such a statement.
const SELECTED: &[u8] = b"SELECT 1\0";

impl Fault {
    pub(super) const ALL: [Self; 11] = [
        Self::Stop,
        Self::Terminate,
        Self::CommitLost,
        Self::CutBehindCommit,
        Self::AnswerLost,
        Self::CutAnywhere,
        Self::LongTransaction,
        Self::Storms,
        Self::Exhausted,
        Self::LockHeld,
        Self::HolderThrownOut,
    ];

    /// The fault of a round.
    pub(super) fn of(round: u64) -> Self {
        Self::ALL[usize::try_from(round).expect("few") % Self::ALL.len()]
    }

    /// Lets it happen while clients are at work.
    pub(super) async fn strike(self, field: &Field, dice: &mut Dice) {
        field.until_grown(dice.between(5, 60)).await;
        match self {
            Self::Stop => {
                field.cluster.stop_at_once();
                field.cluster.up();
            }
            Self::Terminate => terminate(field, dice).await,
            Self::CommitLost => {
                cut(field, dice, Side::Request, |_| on(COMMIT, false)).await;
                cut(field, dice, Side::Request, |_| on(EXECUTE, true)).await;
            }
            Self::CutBehindCommit => {
                cut(field, dice, Side::Request, |_| on(COMMIT, true)).await;
                cut(field, dice, Side::Request, |_| on(SYNC, true)).await;
            }
            Self::AnswerLost => {
                cut(field, dice, Side::Reply, |_| on(COMMIT, false)).await;
                cut(field, dice, Side::Reply, |_| on(SELECTED, false)).await;
            }
            Self::CutAnywhere => {
                cut(field, dice, Side::Request, |dice| Cut::CutAfter(dice.between(1, 6_000))).await;
                cut(field, dice, Side::Reply, |dice| Cut::CutAfter(dice.between(1, 6_000))).await;
            }
            Self::LongTransaction => long_transaction(field).await,
            Self::Storms => storms(field, dice).await,
            Self::Exhausted => exhausted(field).await,
            Self::LockHeld => lock_held(field).await,
            Self::HolderThrownOut => holder_thrown_out(field, dice).await,
            Self::Promote => unreachable!("it takes two servers"),
        }
        field.until_grown(20).await;
    }
}

fn on(pattern: &[u8], passes: bool) -> Cut {
    Cut::CutOn { pattern: pattern.into(), passes }
}

/// Throws sessions out, a few at a time, while work goes on.
async fn terminate(field: &Field, dice: &mut Dice) {
    let admin = field.admin().await;
    let sql = "SELECT count(pg_terminate_backend(pid)) FROM (SELECT pid FROM pg_stat_activity
               WHERE application_name = 'gesta' ORDER BY md5(pid::text || $1) LIMIT $2) AS chosen";
    for _ in 0..5 {
        field.until_grown(dice.between(1, 30)).await;
        let (salt, most) = (dice.number().to_string(), i64::try_from(dice.between(1, 6)).expect("few"));
        admin.query(sql, &[&salt, &most]).await.expect("throws out");
    }
}

/// Cuts connections of one store at a place in what they say, until several were cut.
async fn cut(field: &Field, dice: &mut Dice, side: Side, fault: impl Fn(&mut Dice) -> Cut) {
    for _ in 0..3 {
        let proxy = dice.pick(&field.proxies);
        let wanted = proxy.connections() + dice.between(2, 6);
        proxy.set(side, [fault(dice)]);
        field.until("connections are cut", async || proxy.connections() >= wanted).await;
        proxy.heal();
        field.until_grown(dice.between(1, 20)).await;
    }
}

/// Appends are not in the way of a transaction that reads for long, nor it in theirs.
async fn long_transaction(field: &Field) {
    let admin = field.admin().await;
    admin.batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ").await.expect("begins");
    let count = async || {
        let row = admin.query_one("SELECT count(*), max(position) FROM gesta.events", &[]).await;
        row.map(|row| (row.get::<_, i64>(0), row.get::<_, i64>(1))).expect("counted")
    };
    let before = count().await;
    assert_eq!(before.0, before.1, "positions are dense in every snapshot");
    field.until_grown(200).await;
    assert_eq!(count().await, before, "the snapshot is as it was");
    admin.batch_execute("ROLLBACK").await.expect("ends");
}

/// Other tables of the same database deadlock and fail to serialize.
async fn storms(field: &Field, dice: &mut Dice) {
    let admin = field.admin().await;
    let table = "CREATE TABLE IF NOT EXISTS public.other (id int PRIMARY KEY, n int NOT NULL);
                 INSERT INTO public.other SELECT id, 0 FROM generate_series(1, 4) AS id ON CONFLICT DO NOTHING";
    admin.batch_execute(table).await.expect("made");
    let wanted = field.head() + 150;
    let storm = async |mut dice: Dice| {
        let (client, mut failures) = (field.admin().await, [0_u64; 2]);
        while field.head() < wanted || failures.iter().sum::<u64>() == 0 {
            let (one, two) = (dice.between(1, 4), dice.between(1, 4));
            let steps = format!(
                "BEGIN ISOLATION LEVEL REPEATABLE READ; UPDATE public.other SET n = n + 1 WHERE id = {one};
                 UPDATE public.other SET n = n + 1 WHERE id = {two}; COMMIT"
            );
            if let Err(error) = client.batch_execute(&steps).await {
                failures[usize::from(error.code() == Some(&SqlState::T_R_DEADLOCK_DETECTED))] += 1;
                client.batch_execute("ROLLBACK").await.expect("undone");
            }
        }
        failures
    };
    let storms: Vec<_> = (0..4).map(|_| storm(dice.split())).collect();
    let failures = join_all(storms).await;
    assert!(failures.iter().flatten().sum::<u64>() > 0, "there was no storm");
}

/// Others take every connection there is while the stores have none: they say so, and go on once there are some.
async fn exhausted(field: &Field) {
    for proxy in &field.proxies {
        proxy.door(Door::Refuse);
        proxy.reset();
    }
    let mut taken = Vec::new();
    let full = loop {
        match tokio_postgres::connect(&field.cluster.url(&field.database), tokio_postgres::NoTls).await {
            Ok((client, connection)) => {
                tokio::spawn(connection);
                taken.push(client);
            }
            Err(error) => break error,
        }
    };
    assert_eq!(full.code(), Some(&SqlState::TOO_MANY_CONNECTIONS), "{full}");
    field.proxies.iter().for_each(FaultProxy::heal);
    field
        .until("both stores say what is wrong", async || {
            let told = |store: &PostgresStore| {
                store.status().failure.is_some_and(|why| why.contains("max_connections"))
            };
            field.stores.iter().all(told)
        })
        .await;
}

/// Held for longer than an append waits: everybody is told to come again, and nothing is stored meanwhile.
async fn lock_held(field: &Field) {
    let admin = field.admin().await;
    admin.batch_execute("ALTER FUNCTION gesta.lock_log() SET lock_timeout = '100ms'").await.expect("set");
    let holder = field.admin().await;
    holder
        .batch_execute(
            "BEGIN; SELECT pg_advisory_xact_lock(k) FROM (SELECT (1734701940::bigint << 32)
        | ('gesta.events'::regclass)::oid::bigint AS k) AS log",
        )
        .await
        .expect("held");
    for store in &field.stores {
        let stream = "lock-1".parse().expect("legal");
        let tried = AppendBatch::to(stream, ExpectedVersion::Any, [NewEvent::new("tried", "{}")]);
        let refusal = store.append(tried).await;
        assert!(matches!(refusal, Err(AppendError::Busy { .. })), "{refusal:?}");
    }
    holder.batch_execute("ROLLBACK").await.expect("let go");
    admin.batch_execute("ALTER FUNCTION gesta.lock_log() SET lock_timeout = '5s'").await.expect("set back");
}

/// A session has numbered an event and is thrown out before it commits: its number is somebody else's.
async fn holder_thrown_out(field: &Field, dice: &mut Dice) {
    let admin = field.admin().await;
    for _ in 0..5 {
        let holder = field.admin().await;
        holder.batch_execute("BEGIN").await.expect("begins");
        let pid: i32 = holder.query_one("SELECT pg_backend_pid()", &[]).await.expect("a pid").get(0);
        crate::gapless::by_hand(&holder, "lin-0").await.expect("numbered");
        admin.query("SELECT pg_terminate_backend($1)", &[&pid]).await.expect("thrown out");
        field.until_grown(dice.between(1, 30)).await;
    }
}
