//! The laws of a store of read models.
//!
//! What makes a projection exactly-once is one transaction over rows, checkpoint and epoch. Nobody can look into a
//! transaction from outside, so the laws look from beside: an observer at full speed, a caller who hangs up, an owner who
//! was replaced, a neighbour whose work shares the disk. A store whose checkpoint is saved apart fails two of them.
//!
//! The statements keep to what SQLite and PostgreSQL share. Each law gets a store of its own.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use gesta_core::{
    Checkpoint, CheckpointKey, Epoch, Position, Tenant,
    read_model::{Commit, MOST_ROWS, ReadModelError, ReadModelStore, Statement, Value},
    values,
};

type Store = Arc<dyn ReadModelStore>;

/// Longer than any law takes, so that no lease ends by itself.
const LONG: Duration = Duration::from_secs(3600);
/// Adds a row of the laws' table; a second one with the same id breaks its key.
const INSERT: &str = "INSERT INTO law_rows (id, amount) VALUES ($1, $2)";

/// An owner of a checkpoint with a table of its own.
struct Owner {
    store: Store,
    key: CheckpointKey,
    epoch: Epoch,
}

impl Owner {
    /// Claims a checkpoint and makes the table.
    async fn new(store: &Store) -> Self {
        let owner = Self::claim(store, "one").await;
        let table = "CREATE TABLE law_rows (id BIGINT PRIMARY KEY, amount BIGINT NOT NULL)";
        owner.commit(0, 0, [table.into()]).await.expect("makes the table");
        owner
    }

    /// Claims the checkpoint under this owner's name.
    async fn claim(store: &Store, owner: &str) -> Self {
        let key = CheckpointKey::new(Tenant::default(), "law/rows");
        let claim = store.claim(&key, owner, LONG).await.expect("free");
        Self { store: store.clone(), key, epoch: claim.epoch }
    }

    /// A commit that brings the checkpoint from one position to another.
    fn moves(&self, after: u64, to: u64, statements: impl IntoIterator<Item = Statement>) -> Commit {
        let checkpoint = Checkpoint { position: Position::new(to), state: Bytes::from_static(b"law") };
        let (key, epoch, after) = (self.key.clone(), self.epoch, Position::new(after));
        Commit { key, epoch, after, checkpoint, statements: statements.into_iter().collect() }
    }

    /// Makes such a commit.
    async fn commit(
        &self,
        after: u64,
        to: u64,
        statements: impl IntoIterator<Item = Statement>,
    ) -> Result<(), ReadModelError> {
        self.store.commit(self.moves(after, to, statements)).await
    }

    /// Where the checkpoint stands.
    async fn position(&self) -> u64 {
        self.store.load(&self.key).await.expect("loads").position.get()
    }
}

/// A statement that adds a row.
fn insert(id: i64, amount: i64) -> Statement {
    Statement::new(INSERT, values![id, amount])
}

/// How many rows there are.
async fn count(store: &Store) -> i64 {
    let rows = store.query("SELECT count(*) AS n FROM law_rows".into()).await.expect("counts");
    rows[0].get("n").expect("a number")
}

/// What was committed is read back: the rows, and the checkpoint with its state.
pub async fn rows_and_checkpoint_commit_together(store: Store) {
    let owner = Owner::new(&store).await;
    owner.commit(0, 7, [insert(1, 10), insert(2, 20)]).await.expect("commits");
    assert_eq!(count(&store).await, 2);
    let saved = store.load(&owner.key).await.expect("loads");
    assert_eq!((saved.position, &*saved.state), (Position::new(7), &b"law"[..]));
}

/// Who sees rows sees the checkpoint that belongs to them: it is asked for after the rows, so it may be ahead of what was
/// seen, and never behind.
pub async fn rows_are_never_ahead_of_the_checkpoint(store: Store) {
    let owner = Owner::new(&store).await;
    let writer = async {
        for n in 0..200 {
            owner.commit(n, n + 1, [insert(n as i64, 1)]).await.expect("commits");
            tokio::task::yield_now().await;
        }
    };
    let observer = async {
        loop {
            let rows = count(&store).await;
            let position = owner.position().await;
            assert!(rows <= position as i64, "{rows} rows are there and the checkpoint stands at {position}");
            if rows == 200 {
                break;
            }
            tokio::task::yield_now().await;
        }
    };
    futures_util::future::join(writer, observer).await;
}

/// A caller who hangs up in the middle leaves all of a commit or nothing. The hang-ups come at growing distances from the
/// call, so that some hit the moment between two steps, where there are two.
pub async fn who_hangs_up_leaves_all_or_nothing(store: Store) {
    let owner = Owner::new(&store).await;
    for n in 0..100_u64 {
        let stands = owner.position().await;
        let commit = owner.commit(stands, stands + 1, [insert(stands as i64, 1)]);
        let _ = tokio::time::timeout(Duration::from_micros(n * 5), commit).await;
        let (rows, position) = at_rest(&owner).await;
        assert_eq!(rows, position as i64, "rows and checkpoint differ after {n} hang-ups");
    }
}

/// Rows and position between which nothing was committed: what was asked for before may still be under way.
async fn at_rest(owner: &Owner) -> (i64, u64) {
    let mut before = owner.position().await;
    loop {
        let rows = count(&owner.store).await;
        let position = owner.position().await;
        if position == before {
            return (rows, position);
        }
        before = position;
    }
}

/// A later owner's epoch keeps every row of the former one out.
pub async fn a_stale_epoch_changes_nothing(store: Store) {
    let zombie = Owner::new(&store).await;
    store.release(&zombie.key, zombie.epoch).await.expect("released");
    let heir = Owner::claim(&store, "two").await;
    assert!(heir.epoch > zombie.epoch);
    match zombie.commit(0, 1, [insert(1, 1)]).await {
        Err(ReadModelError::Stale { stale, current, .. }) => {
            assert_eq!((stale, current), (zombie.epoch, heir.epoch));
        }
        other => panic!("a zombie's commit was answered {other:?}"),
    }
    assert_eq!((count(&store).await, heir.position().await), (0, 0));
    heir.commit(0, 1, [insert(1, 1)]).await.expect("the heir commits");
}

/// Neither the statements before it nor the checkpoint, and nothing of what others commit at the same time.
pub async fn a_failing_statement_leaves_nothing_of_its_commit(store: Store) {
    let owner = Owner::new(&store).await;
    let fails = owner.commit(0, 1, [insert(1, 1), insert(2, 2), insert(1, 3)]);
    let neighbours = (10..40_i64).map(|n| {
        let store = store.clone();
        async move {
            let key = CheckpointKey::new(Tenant::default(), format!("law/neighbour-{n}"));
            let epoch = store.claim(&key, "one", LONG).await.expect("free").epoch;
            let neighbour = Owner { store, key, epoch };
            neighbour.commit(0, 1, [insert(n, 1)]).await
        }
    });
    let (failed, done) = futures_util::future::join(fails, futures_util::future::join_all(neighbours)).await;
    assert!(
        matches!(&failed, Err(ReadModelError::Values { table, .. }) if table == "law_rows"),
        "{failed:?}"
    );
    assert!(done.iter().all(Result::is_ok), "a neighbour suffers: {done:?}");
    assert_eq!((count(&store).await, owner.position().await), (30, 0));
}

/// The same commit again, after an answer that was lost, does nothing and tells where the checkpoint stands.
pub async fn a_commit_that_was_made_is_not_made_again(store: Store) {
    let owner = Owner::new(&store).await;
    let commit =
        owner.moves(0, 5, [Statement::from("INSERT INTO law_rows SELECT count(*), 1 FROM law_rows")]);
    store.commit(commit.clone()).await.expect("commits");
    match store.commit(commit).await {
        Err(ReadModelError::Moved { expected, stands, .. }) => {
            assert_eq!((expected, stands), (Position::START, Position::new(5)));
        }
        other => panic!("a second time was answered {other:?}"),
    }
    assert_eq!(count(&store).await, 1);
}

/// Tables and views change with the checkpoint, or not at all.
pub async fn tables_change_with_the_checkpoint(store: Store) {
    let owner = Owner::new(&store).await;
    let view = || Statement::from("CREATE VIEW law_view AS SELECT id FROM law_rows");
    owner.commit(0, 1, [view(), "CREATE TABLE law_rows (id BIGINT)".into()]).await.expect_err("there is one");
    store.query("SELECT * FROM law_view".into()).await.expect_err("taken back");
    owner.commit(0, 1, [view(), insert(1, 1)]).await.expect("commits");
    assert_eq!(store.query("SELECT id FROM law_view".into()).await.expect("there").len(), 1);
}

/// Queries that are answered together add up, whatever is written meanwhile.
pub async fn queries_together_see_one_state(store: Store) {
    let owner = Owner::new(&store).await;
    owner.commit(0, 1, [insert(1, 500), insert(2, 500)]).await.expect("commits");
    let writer = async {
        for n in 1..200_u64 {
            let give = "UPDATE law_rows SET amount = amount - 1 WHERE id = 1";
            let take = "UPDATE law_rows SET amount = amount + 1 WHERE id = 2";
            owner.commit(n, n + 1, [give.into(), take.into()]).await.expect("commits");
            tokio::task::yield_now().await;
        }
    };
    let amount = |id: i64| Statement::new("SELECT amount FROM law_rows WHERE id = $1", values![id]);
    let reader = async {
        for _ in 0..200 {
            let answers = store.query_together(vec![amount(1), amount(2)]).await.expect("answers");
            let sum: i64 = answers.iter().map(|rows| rows[0].get::<i64>("amount").expect("a number")).sum();
            assert_eq!(sum, 1_000);
            tokio::task::yield_now().await;
        }
    };
    futures_util::future::join(writer, reader).await;
}

/// What is no query is refused as one.
pub async fn a_query_changes_nothing(store: Store) {
    let owner = Owner::new(&store).await;
    owner.commit(0, 1, [insert(1, 1)]).await.expect("commits");
    for sql in [
        "DELETE FROM law_rows",
        "DELETE FROM law_rows RETURNING id",
        "DROP TABLE law_rows",
        "BEGIN",
        "ROLLBACK",
        "SELECT 1; DELETE FROM law_rows",
    ] {
        store.query(sql.into()).await.expect_err(sql);
    }
    assert_eq!(count(&store).await, 1);
}

/// Foreign statements reach neither checkpoints nor epochs, and end no transaction: whoever writes a projection cannot
/// undo what makes it exactly-once, by accident or otherwise.
pub async fn what_is_gestas_own_is_out_of_reach(store: Store) {
    let owner = Owner::new(&store).await;
    for sql in [
        "UPDATE leases SET epoch = 99",
        "DELETE FROM checkpoints",
        "DELETE FROM CHECKPOINTS",
        "INSERT INTO law_rows SELECT epoch, 1 FROM leases",
        "DROP TABLE checkpoints",
        "CREATE TABLE gesta_mine (id BIGINT)",
        "CREATE TRIGGER law_trigger AFTER INSERT ON law_rows BEGIN DELETE FROM law_rows; END",
        "COMMIT",
        "ROLLBACK",
        "PRAGMA foreign_keys = off",
        "ATTACH DATABASE ':memory:' AS other",
        "DELETE FROM law_rows; DELETE FROM checkpoints",
    ] {
        owner.commit(0, 1, [insert(1, 1), sql.into()]).await.expect_err(sql);
    }
    for sql in ["SELECT * FROM leases", "SELECT position FROM checkpoints"] {
        store.query(sql.into()).await.expect_err(sql);
    }
    assert_eq!((count(&store).await, owner.position().await), (0, 0));
    owner.commit(0, 1, [insert(1, 1)]).await.expect("the owner is still the owner");
}

/// Values of every kind come back, whatever the order of their placeholders.
pub async fn values_come_back_as_they_were(store: Store) {
    let owner = Owner::claim(&store, "one").await;
    let table = "CREATE TABLE law_values (a TEXT, b BIGINT, c DOUBLE PRECISION, d BOOLEAN, e TEXT)";
    let text = "'); DROP TABLE law_values; -- $1 \u{1f9ea}";
    let row = values![text, i64::MIN, 0.1, true, None::<String>];
    let mixed = "INSERT INTO law_values (e, d, c, b, a) VALUES ($5, $4, $3, $2, $1)";
    owner.commit(0, 1, [table.into(), Statement::new(mixed, row)]).await.expect("commits");
    let twice = "SELECT a, b, c, d, e, $1 AS f FROM law_values WHERE b = $2 AND a <> $1";
    let found = store.query(Statement::new(twice, values!["again", i64::MIN])).await.expect("answers");
    let row = &found[0];
    assert_eq!(row.columns(), ["a", "b", "c", "d", "e", "f"]);
    assert_eq!(row.get::<String>("a").expect("text"), text);
    assert_eq!(
        (row.get::<i64>("b").expect("a number"), row.get::<f64>("c").expect("a real")),
        (i64::MIN, 0.1)
    );
    assert!(row.get::<bool>("d").expect("a boolean"));
    assert_eq!(row.get::<Option<String>>("e").expect("nothing"), None);
    assert_eq!(row.get::<String>("f").expect("text"), "again");
    let short = Statement::new("SELECT a FROM law_values WHERE b = $2", [Value::Null]);
    assert!(matches!(store.query(short).await, Err(ReadModelError::Refused { .. })));
}

/// A failure names table and statement, never a value: it ends up in logs and on screens, and rows hold what is private.
pub async fn a_failure_names_the_table_and_no_value(store: Store) {
    let owner = Owner::new(&store).await;
    owner.commit(0, 1, [insert(777_001, 1)]).await.expect("commits");
    let error = owner.commit(1, 2, [insert(777_001, 1)]).await.expect_err("it is there");
    let said = error.to_string();
    assert!(said.contains("law_rows") && said.contains("INSERT INTO") && !said.contains("777001"), "{said}");
    let error = store.query("SELECT nothing FROM law_rows".into()).await.expect_err("no column");
    assert!(matches!(&error, ReadModelError::Refused { table, .. } if table == "law_rows"), "{error:?}");
}

/// A table that is not there is told apart, with what to do.
pub async fn a_missing_table_says_rebuild(store: Store) {
    let owner = Owner::new(&store).await;
    let errors = [
        owner.commit(0, 1, ["DELETE FROM law_gone__7".into()]).await.expect_err("gone"),
        store.query("SELECT * FROM law_gone".into()).await.expect_err("gone"),
    ];
    for error in errors {
        assert!(matches!(&error, ReadModelError::Missing { table, .. } if table == "law_gone"), "{error:?}");
        assert!(error.to_string().contains("rebuild"), "{error}");
    }
}

/// An answer holds so many rows and no more.
pub async fn too_many_rows_are_refused(store: Store) {
    let owner = Owner::new(&store).await;
    let most = MOST_ROWS as i64;
    owner.commit(0, 1, (0..most).map(|id| insert(id, 1))).await.expect("commits");
    assert_eq!(store.query("SELECT id FROM law_rows".into()).await.expect("fits").len(), MOST_ROWS);
    owner.commit(1, 2, [insert(most, 1)]).await.expect("commits");
    let error = store.query("SELECT id FROM law_rows".into()).await.expect_err("one too many");
    assert!(matches!(error, ReadModelError::TooMany { most: MOST_ROWS, .. }), "{error:?}");
}

/// One test for each law of a store of read models; `$fresh` is an async function that answers with an
/// `Arc<dyn ReadModelStore>` of its own and with what it lasts no longer than, such as its folder.
#[macro_export]
macro_rules! read_model_laws {
    ($fresh:expr) => {
        $crate::read_model_laws! { @ $fresh;
            rows_and_checkpoint_commit_together rows_are_never_ahead_of_the_checkpoint
            who_hangs_up_leaves_all_or_nothing a_stale_epoch_changes_nothing
            a_failing_statement_leaves_nothing_of_its_commit a_commit_that_was_made_is_not_made_again
            tables_change_with_the_checkpoint queries_together_see_one_state a_query_changes_nothing
            what_is_gestas_own_is_out_of_reach values_come_back_as_they_were
            a_failure_names_the_table_and_no_value a_missing_table_says_rebuild too_many_rows_are_refused
        }
    };
    (@ $fresh:expr; $($law:ident)*) => {$(
        #[test]
        fn $law() {
            $crate::run(async {
                let (store, _lasts) = ($fresh)().await;
                $crate::read_models::$law(store).await;
            });
        }
    )*};
}
