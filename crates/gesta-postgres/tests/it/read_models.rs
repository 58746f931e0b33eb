//! What read models on PostgreSQL do beyond the laws: answers that get lost, sessions in each other's way, values and types of
//! this database.

use std::{sync::Arc, time::Duration};

use gesta_conformance::fault_proxy::{Fault, FaultProxy, Side};
use gesta_core::{
    Checkpoint, CheckpointKey, Epoch, Position, Tenant,
    read_model::{Commit, ReadModelError, ReadModelStore, Row, Statement},
    values,
};
use gesta_postgres::{Options, ReadModels};

use crate::{
    cluster,
    support::{self, Database},
};

const LONG: Duration = Duration::from_secs(600);

/// An owner of a checkpoint.
struct Owner {
    store: Arc<dyn ReadModelStore>,
    key: CheckpointKey,
    epoch: Epoch,
}

impl Owner {
    async fn new(store: &Arc<dyn ReadModelStore>, name: &str) -> Self {
        let key = CheckpointKey::new(Tenant::default(), name);
        let epoch = store.claim(&key, "one", LONG).await.expect("free").epoch;
        Self { store: store.clone(), key, epoch }
    }

    fn moves(&self, after: u64, statements: impl IntoIterator<Item = Statement>) -> Commit {
        let checkpoint = Checkpoint { position: Position::new(after + 1), ..Checkpoint::default() };
        Commit {
            key: self.key.clone(),
            epoch: self.epoch,
            after: Position::new(after),
            checkpoint,
            statements: statements.into_iter().collect(),
        }
    }

    /// Moves the checkpoint on by one.
    async fn commit(
        &self,
        after: u64,
        statements: impl IntoIterator<Item = Statement>,
    ) -> Result<(), ReadModelError> {
        self.store.commit(self.moves(after, statements)).await
    }

    async fn position(&self) -> u64 {
        self.store.load(&self.key).await.expect("loads").position.get()
    }
}

async fn opened(database: &Database) -> Arc<dyn ReadModelStore> {
    Arc::new(ReadModels::connect(&database.url(), Options::default()).await.expect("connects"))
}

async fn one(store: &Arc<dyn ReadModelStore>, sql: &'static str) -> Row {
    store.query(sql.into()).await.expect("answers").remove(0)
}

/// The same database behind a proxy.
async fn behind_a_proxy(database: &Database) -> (FaultProxy, Arc<dyn ReadModelStore>) {
    let proxy = FaultProxy::before(support::address(), 1).await.expect("listens");
    let url = cluster::url(proxy.address(), database.name());
    let store = ReadModels::connect(&url, Options::default()).await.expect("connects");
    (proxy, Arc::new(store))
}

/// Whatever is lost on the way, the commit or the answer to it: it is told apart, and nothing is done twice.
#[tokio::test]
async fn a_commit_whose_answer_is_lost_is_settled() {
    let database = support::database().await;
    let (proxy, store) = behind_a_proxy(&database).await;
    let owner = Owner::new(&store, "law/lost").await;
    owner.commit(0, ["CREATE TABLE counted (n BIGINT)".into()]).await.expect("makes it");
    let add = || [Statement::new("INSERT INTO counted VALUES ($1)", values![1])];
    let (mut made, mut undone, mut at) = (0, 0, 1);
    for round in 0..12 {
        match round % 3 {
            0 => proxy.set(Side::Reply, [Fault::cut_before("COMMIT\0")]),
            1 => proxy.set(Side::Request, [Fault::cut_before("COMMIT\0")]),
            _ => proxy.set(Side::Request, [Fault::cut_behind("COMMIT\0")]),
        }
        let first = owner.commit(at, add()).await;
        proxy.heal();
        match first {
            Ok(()) => made += 1,
            Err(ReadModelError::Unavailable { reason }) => {
                undone += 1;
                owner.commit(at, add()).await.unwrap_or_else(|error| panic!("{reason}, then {error}"));
            }
            Err(other) => panic!("round {round}: {other:?}"),
        }
        at += 1;
        assert_eq!(owner.position().await, at);
        assert_eq!(one(&store, "SELECT sum(n) AS n FROM counted").await.get::<u64>("n").expect("n"), at - 1);
    }
    assert!(made >= 4, "an answer that was lost was not settled: {made} made, {undone} undone");
    assert!(undone >= 4, "a commit that was lost was taken for made: {made} made, {undone} undone");
}

/// The server takes one of two back that wait for each other; both are made in the end.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_that_wait_for_each_other_are_both_made() {
    let database = support::database().await;
    let store = opened(&database).await;
    let owners = [Owner::new(&store, "law/one").await, Owner::new(&store, "law/two").await];
    let table = "CREATE TABLE shared (id BIGINT PRIMARY KEY, n BIGINT NOT NULL)";
    owners[0]
        .commit(0, [table.into(), "INSERT INTO shared VALUES (1, 0), (2, 0)".into()])
        .await
        .expect("makes it");
    owners[1].commit(0, []).await.expect("commits");
    let add = |id: i64| Statement::new("UPDATE shared SET n = n + 1 WHERE id = $1", values![id]);
    let client = database.client().await;
    let mut rounds = 0;
    loop {
        rounds += 1;
        let [one, two] = &owners;
        let (first, second) = tokio::join!(
            one.commit(rounds, (0..20).map(|n| add(n % 2 + 1))),
            two.commit(rounds, (0..20).map(|n| add((n + 1) % 2 + 1))),
        );
        first.expect("is made");
        second.expect("is made");
        let asked = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()";
        let deadlocks: i64 = client.query_one(asked, &[]).await.expect("answers").get(0);
        if deadlocks > 2 {
            break;
        }
        assert!(rounds < 2_000, "they never waited for each other");
    }
    let sum = one(&store, "SELECT sum(n) AS n FROM shared").await.get::<u64>("n").expect("n");
    assert_eq!(sum, rounds * 40);
}

/// A view is exchanged for one of another table while two queries are answered together: they are of one state.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_query_sees_a_table_of_another_time_than_its_own() {
    let database = support::database().await;
    let store = opened(&database).await;
    let owner = Owner::new(&store, "law/shape").await;
    let make = |n: u64| {
        [
            format!("CREATE TABLE shown__{n} AS SELECT {n}::bigint AS n").into(),
            "DROP VIEW IF EXISTS shown".into(),
            format!("CREATE VIEW shown AS SELECT n FROM shown__{n}").into(),
            format!("UPDATE other SET n = {n}").into(),
        ]
    };
    let other = ["CREATE TABLE other (n BIGINT)".into(), "INSERT INTO other VALUES (0)".into()];
    owner.commit(0, other.into_iter().chain(make(0))).await.expect("makes them");
    let writer = async {
        for n in 1..=150 {
            owner.commit(n, make(n)).await.expect("exchanges them");
            let gone = format!("DROP TABLE shown__{}", n - 1);
            let drops = Owner { store: store.clone(), key: owner.key.clone(), epoch: owner.epoch };
            let stays = Commit { after: Position::new(n + 1), ..drops.moves(n, [gone.into()]) };
            store.commit(stays).await.expect("drops the old one");
        }
    };
    let reader = async {
        let mut looks = 0;
        loop {
            let both = vec!["SELECT n FROM other".into(), "SELECT n FROM shown".into()];
            let answers = store.query_together(both).await.expect("is never refused");
            let [other, shown] = [&answers[0], &answers[1]]
                .map(|rows| rows.first().map(|row| row.get::<i64>("n").expect("n")));
            assert_eq!(other, shown, "a mixed state after {looks} looks");
            looks += 1;
            if shown == Some(150) {
                return looks;
            }
        }
    };
    let ((), looks) = tokio::join!(writer, reader);
    assert!(looks > 10, "{looks} looks");
}

/// A text that PostgreSQL cannot keep is refused by the number of its place, and nothing of its commit is stored.
#[tokio::test]
async fn a_text_with_a_zero_is_refused_and_leaves_nothing() {
    let database = support::database().await;
    let store = opened(&database).await;
    let owner = Owner::new(&store, "law/zero").await;
    owner.commit(0, ["CREATE TABLE texts (a TEXT, b TEXT)".into()]).await.expect("makes it");
    let insert = |b: &str| Statement::new("INSERT INTO texts (a, b) VALUES ($1, $2)", values!["a", b]);
    match owner.commit(1, [insert("fine"), insert("secret\0")]).await {
        Err(ReadModelError::Values { table, reason, .. }) => {
            assert_eq!(table, "texts");
            assert!(
                reason.contains("$2") && reason.contains("\\u0000") && !reason.contains("secret"),
                "{reason}"
            );
        }
        other => panic!("it was answered {other:?}"),
    }
    let count = one(&store, "SELECT count(*) AS n FROM texts").await;
    assert_eq!((count.get::<i64>("n").expect("n"), owner.position().await), (0, 1));
    let odd = store.query(Statement::new("SELECT 1 WHERE 'a' = $1", values!["\0"])).await;
    assert!(matches!(odd, Err(ReadModelError::Values { .. })), "{odd:?}");
}

/// What this database answers with is what a reader of SQLite's answers expects.
#[tokio::test]
async fn answers_of_every_kind_are_read() {
    let database = support::database().await;
    let store = opened(&database).await;
    let row = one(
        &store,
        "SELECT 1::smallint AS small, 2::int AS middle, sum(n) AS sum, avg(n) AS avg, count(*) AS count,
            1.5::real AS real, 10::numeric(10, 2) AS money, 'x'::varchar AS short, '{\"a\": 1}'::jsonb AS json,
            'ab'::bytea AS bytes, true AS yes, NULL AS nothing, 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'::uuid AS id,
            '2017-10-02T10:56:33Z'::timestamptz AS at, '2017-10-02'::date AS day, max(n) FILTER (WHERE n > 9) AS none
         FROM (VALUES (1::bigint), (2), (4)) AS t (n)",
    )
    .await;
    for (column, whole) in [("small", 1), ("middle", 2), ("sum", 7), ("count", 3), ("money", 10)] {
        assert_eq!(row.get::<i64>(column).expect(column), whole, "{column}");
    }
    assert_eq!(row.get::<f64>("real").expect("real"), 1.5);
    assert!((row.get::<f64>("avg").expect("avg") - 7.0 / 3.0).abs() < 1e-12);
    for (column, text) in [("short", "x"), ("json", "{\"a\": 1}"), ("day", "2017-10-02")] {
        assert_eq!(row.get::<String>(column).expect(column), text);
    }
    assert_eq!(row.get::<Vec<u8>>("bytes").expect("bytes"), b"ab");
    assert!(row.get::<bool>("yes").expect("yes"));
    assert_eq!((row.get::<Option<i64>>("nothing"), row.get::<Option<i64>>("none")).0.expect("nothing"), None);
    assert_eq!(row.get::<uuid::Uuid>("id").expect("id").as_u128() >> 96, 0xa0ee_bc99);
    let at: gesta_core::Timestamp = row.get("at").expect("a time");
    assert_eq!(at.to_string(), "2017-10-02T10:56:33.000000Z");
    let odd = store.query("SELECT ARRAY[1, 2] AS list".into()).await.expect_err("no value");
    assert!(odd.to_string().contains("list") && odd.to_string().contains("cast it to text"), "{odd}");
}

/// Values in the wrong place are one event's matter, and are not repeated.
#[tokio::test]
async fn values_that_do_not_fit_are_told_without_the_values() {
    let database = support::database().await;
    let store = opened(&database).await;
    let owner = Owner::new(&store, "law/values").await;
    let table =
        "CREATE TABLE kept (id BIGINT PRIMARY KEY, n INTEGER CHECK (n < 100), u UUID, short VARCHAR(3))";
    owner.commit(0, [table.into()]).await.expect("makes it");
    for (sql, values) in [
        ("INSERT INTO kept (id) VALUES ($1)", values!["4711-secret"]),
        ("INSERT INTO kept (id, u) VALUES (1, $1::uuid)", values!["4711-secret"]),
        ("INSERT INTO kept (id, n) VALUES (1, $1)", values![4711]),
        ("INSERT INTO kept (id, n) VALUES (1, $1)", values![i64::MAX]),
        ("INSERT INTO kept (id, short) VALUES (1, $1)", values!["4711-secret"]),
        ("INSERT INTO kept (id) VALUES ($1)", values![None::<i64>]),
        ("INSERT INTO kept (id, n) VALUES (1, $1 / 0)", values![4711]),
    ] {
        match owner.commit(1, [Statement::new(sql, values)]).await {
            Err(error @ ReadModelError::Values { .. }) => {
                assert!(!error.to_string().contains("4711") && error.to_string().contains("kept"), "{error}");
            }
            other => panic!("{sql} was answered {other:?}"),
        }
    }
}

/// A query without an end is ended, and the next one is answered.
#[tokio::test]
async fn a_query_without_an_end_is_ended() {
    let database = support::database().await;
    let options = Options::default().statement_timeout(Duration::from_millis(200));
    let store = ReadModels::connect(&database.url(), options).await.expect("connects");
    let endless = "SELECT count(*) FROM generate_series(1, 1000000000000)";
    let error = store.query(endless.into()).await.expect_err("has no end");
    assert!(
        matches!(&error, ReadModelError::Refused { reason, .. } if reason.contains("takes too long")),
        "{error}"
    );
    assert_eq!(store.query("SELECT 1 AS n".into()).await.expect("answers").len(), 1);
}

/// What does not live in tables and views of the read models is out of reach, and what a crash would empty is not made.
#[tokio::test]
async fn what_is_gestas_own_is_out_of_reach_by_its_full_name() {
    let database = support::database().await;
    let store = opened(&database).await;
    let owner = Owner::new(&store, "law/own").await;
    for sql in [
        "UPDATE gesta.leases SET epoch = 99",
        "DELETE FROM \"gesta\".checkpoints",
        "CREATE UNLOGGED TABLE fast (n BIGINT)",
        "CREATE TABLE gesta.mine (n BIGINT)",
        "SET LOCAL search_path = gesta",
        "CREATE VIEW seen AS SELECT set_config('search_path', 'gesta', true) AS x",
    ] {
        let refused = owner.commit(0, [sql.into()]).await;
        assert!(matches!(refused, Err(ReadModelError::Refused { .. })), "{sql}: {refused:?}");
    }
    for sql in ["SELECT * FROM gesta.leases", "SELECT pg_reload_conf()", "SELECT nextval('x')"] {
        let refused = store.query(sql.into()).await;
        assert!(matches!(refused, Err(ReadModelError::Refused { .. })), "{sql}: {refused:?}");
    }
}

/// A connection that the server has ended is replaced, and a commit that it took along is made again by the caller.
#[tokio::test]
async fn ended_sessions_are_replaced() {
    let database = support::database().await;
    let store = opened(&database).await;
    let owner = Owner::new(&store, "law/ended").await;
    owner.commit(0, ["CREATE TABLE counted (n BIGINT)".into()]).await.expect("makes it");
    let client = database.client().await;
    let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid()";
    let mut again = 0;
    for n in 1..=20 {
        client.batch_execute(end).await.expect("ends them");
        store.load(&owner.key).await.expect("reads on");
        client.batch_execute(end).await.expect("ends them");
        let add = || [Statement::new("INSERT INTO counted VALUES ($1)", values![1])];
        while let Err(error) = owner.commit(n, add()).await {
            assert!(matches!(error, ReadModelError::Unavailable { .. }), "{error:?}");
            again += 1;
            assert!(again < 100, "it never recovers: {error}");
        }
        let counted = one(&store, "SELECT count(*) AS n FROM counted").await;
        assert_eq!(counted.get::<u64>("n").expect("n"), n);
    }
}

/// A database for read models alone holds no log, and does not become one by accident.
#[tokio::test]
async fn a_database_for_read_models_holds_no_log() {
    let database = support::database().await;
    opened(&database).await;
    let client = database.client().await;
    let log = "SELECT count(*) FROM pg_tables WHERE schemaname = 'gesta' AND tablename = 'events'";
    assert_eq!(client.query_one(log, &[]).await.expect("answers").get::<_, i64>(0), 0);
    let refused = gesta_postgres::PostgresStore::connect(&database.url(), Options::default()).await;
    let error = refused.err().expect("it is no log").to_string();
    assert!(error.contains("for read models only"), "{error}");
    // Beside a log they are at home as well.
    let other = support::database().await;
    other.store().await.close().await;
    opened(&other).await;
}

/// A role that serves and owns nothing of Gesta's makes, exchanges and drops tables, and leases checkpoints.
#[tokio::test]
async fn a_role_that_owns_nothing_keeps_read_models() {
    let database = support::database().await;
    database.store().await.close().await;
    let (admin, role) = (database.client().await, format!("{}_rows", database.name()));
    admin.batch_execute(&format!("CREATE ROLE {role} LOGIN")).await.expect("made");
    admin.batch_execute(&format!("CALL gesta.let_serve('{role}')")).await.expect("granted");
    let url = database.url().replace("gesta@", &format!("{role}@"));
    {
        let connected = ReadModels::connect(&url, Options::default()).await.expect("connects");
        let store: Arc<dyn ReadModelStore> = Arc::new(connected);
        let owner = Owner::new(&store, "law/role").await;
        let make =
            ["CREATE TABLE kept__1 (n BIGINT)".into(), "CREATE VIEW kept AS SELECT * FROM kept__1".into()];
        owner.commit(0, make).await.expect("makes them");
        owner
            .commit(1, [Statement::new("INSERT INTO kept__1 VALUES ($1)", values![7])])
            .await
            .expect("writes");
        assert_eq!(one(&store, "SELECT n FROM kept").await.get::<i64>("n").expect("n"), 7);
        owner.commit(2, ["DROP VIEW kept".into(), "DROP TABLE kept__1".into()]).await.expect("drops them");
        store.release(&owner.key, owner.epoch).await.expect("releases");
        let record = store.list(None, 10).await.expect("lists").remove(0);
        assert_eq!(record.saved.position, Position::new(3));
        store.adopt(record).await.expect("adopts");
        store.remove(&owner.key).await.expect("removes");
    }
    admin.batch_execute(&format!("DROP OWNED BY {role}; DROP ROLE {role}")).await.expect("dropped");
}
