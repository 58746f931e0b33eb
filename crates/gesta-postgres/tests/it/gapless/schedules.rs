//! The schedules by which others skipped events, each by name: played on the whole store, and without lock and keys.

use super::*;

/// Two stores, a session by hand, and what guards the log.
struct Stage {
    database: Database,
    one: PostgresStore,
    two: PostgresStore,
    hand: Client,
    look: Client,
}

impl Stage {
    async fn set(guard: Guard) -> Self {
        let database = support::database().await;
        let (one, two) = (database.store().await, database.store().await);
        guard.apply(&database).await;
        let (hand, look) = (database.client().await, database.client().await);
        Self { database, one, two, hand, look }
    }

    /// Starts an append that cannot be committed before the session by hand is done, if the lock does its work.
    async fn start(&self, store: &PostgresStore) -> JoinHandle<Result<(), AppendError>> {
        let store = store.clone();
        let append = tokio::spawn(async move { store.append(batch("late-1", 1)).await.map(drop) });
        self.until_waiting(&append).await;
        append
    }

    /// Until the append waits for the session by hand, at the lock or at a key, or is done. What it waits for at its commit,
    /// because others notify, is something else.
    async fn until_waiting(&self, append: &JoinHandle<Result<(), AppendError>>) {
        let sql = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
                   AND application_name = 'gesta' AND wait_event IN ('advisory', 'transactionid')";
        let waits = async {
            while !append.is_finished()
                && self.look.query_one(sql, &[]).await.expect("asked").get::<_, i64>(0) == 0
            {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        timeout(PATIENCE, waits).await.expect("the append waits or is done");
    }

    /// Compares what a reader saw with the log.
    async fn verdict(self, saw: &[RecordedEvent], refused: u64) -> Figures {
        let mut figures = Figures { refused, ..Figures::default() };
        let log = log(&self.one).await;
        figures.compare(saw, &log);
        figures.compare(&log, &log);
        self.one.close().await;
        self.two.close().await;
        drop(self.database);
        figures
    }
}

/// Reads on behind what it saw.
async fn read_on(store: &PostgresStore, saw: &mut Vec<RecordedEvent>) {
    let from = saw.iter().map(|event| event.position.get()).max().unwrap_or(0);
    saw.extend(after(store, from).await);
}

fn refused(done: Result<Result<(), AppendError>, tokio::task::JoinError>) -> u64 {
    u64::from(done.expect("no panic").is_err())
}

/// A transaction numbers its event and commits late; another one that came after commits meanwhile, a reader passes.
async fn marten_late_commit(guard: Guard) -> Figures {
    let stage = Stage::set(guard).await;
    stage.hand.batch_execute("BEGIN").await.expect("begins");
    by_hand(&stage.hand, "late-2").await.expect("numbered");
    let other = stage.start(&stage.two).await;
    let mut saw = Vec::new();
    read_on(&stage.one, &mut saw).await;
    stage.hand.batch_execute("COMMIT").await.expect("commits late");
    let refused = refused(other.await);
    read_on(&stage.one, &mut saw).await;
    stage.verdict(&saw, refused).await
}

/// A rebuild reads to the head and goes on from there, while a transaction that has its number already commits.
async fn marten_rebuild_skip(guard: Guard) -> Figures {
    let stage = Stage::set(guard).await;
    stage.one.append(batch("old-1", 20)).await.expect("appends");
    stage.hand.batch_execute("BEGIN").await.expect("begins");
    by_hand(&stage.hand, "late-2").await.expect("numbered");
    let other = stage.start(&stage.two).await;
    let head = stage.one.head().await.expect("the head").position;
    let mut rebuilt: Vec<_> = after(&stage.one, 0).await;
    assert_eq!(rebuilt.last().map(|event| event.position), Some(head), "the rebuild is at the head");
    stage.hand.batch_execute("COMMIT").await.expect("commits late");
    let refused = refused(other.await);
    read_on(&stage.one, &mut rebuilt).await;
    stage.verdict(&rebuilt, refused).await
}

/// A transaction that began long ago appends last: by the time of its beginning its event would stand before others.
async fn zitadel_transaction_time(guard: Guard) -> Figures {
    let stage = Stage::set(guard).await;
    stage.hand.batch_execute("BEGIN; SELECT now()").await.expect("begins");
    let mut saw = Vec::new();
    for _ in 0..3 {
        stage.two.append(batch("late-1", 2)).await.expect("appends");
        read_on(&stage.one, &mut saw).await;
    }
    let position = by_hand(&stage.hand, "late-1").await.expect("numbered");
    let other = stage.start(&stage.two).await;
    read_on(&stage.one, &mut saw).await;
    stage.hand.batch_execute("COMMIT").await.expect("commits");
    let refused = refused(other.await);
    read_on(&stage.one, &mut saw).await;
    if guard == Guard::Whole {
        assert_eq!(position, 7, "the oldest transaction appended last");
        let times: Vec<_> = saw.iter().map(|event| event.recorded_at).collect();
        assert!(times.is_sorted(), "{times:?}");
    }
    stage.verdict(&saw, refused).await
}

/// Events of one microsecond, in one transaction and over two: read in small pages, and by their very time.
async fn same_microsecond(guard: Guard) -> Figures {
    let stage = Stage::set(guard).await;
    stage.hand.batch_execute("BEGIN").await.expect("begins");
    by_hand(&stage.hand, "late-2").await.expect("numbered");
    // The clock of the second transaction is the first one's: what is recorded never goes back.
    stage.hand.batch_execute("UPDATE gesta.events SET recorded_at = '2200-01-01'").await.expect("a far time");
    let other = stage.start(&stage.two).await;
    let mut saw = Vec::new();
    read_on(&stage.one, &mut saw).await;
    stage.hand.batch_execute("COMMIT").await.expect("commits");
    let refused = refused(other.await);
    for _ in 0..3 {
        stage.one.append(batch("same-1", 9)).await.expect("appends");
    }
    loop {
        let from = saw.iter().map(|event| event.position).max().unwrap_or(Position::START);
        let read = ReadAll::of(Filter::of(Tenant::default())).after(from).limit(7);
        let page: Vec<_> = stage.two.read_all(read).try_collect().await.expect("read");
        if page.is_empty() {
            break;
        }
        saw.extend(page);
    }
    if guard == Guard::Whole {
        let first = saw[0].recorded_at;
        assert!(saw.iter().all(|event| event.recorded_at == first), "all are of one microsecond");
        assert_eq!(saw.len(), 29);
    }
    stage.verdict(&saw, refused).await
}

/// Each schedule is clean as the store is, and found out without lock and keys where a lock is what prevents it.
macro_rules! schedules {
    ($($name:ident)*) => {$(
        mod $name {
            use super::*;

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn skips_nothing() {
                let figures = super::$name(Guard::Whole).await;
                assert_eq!(figures.wrong(), 0, "{figures:?}");
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn is_refused_without_the_lock() {
                let figures = super::$name(Guard::NoLock).await;
                assert!(figures.refused > 0, "the control is not caught: {figures:?}");
                assert_eq!(figures.wrong(), figures.refused, "the keys hold: {figures:?}");
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn skips_without_lock_and_keys() {
                let figures = super::$name(Guard::Nothing).await;
                assert!(figures.skips > 0, "the control is not caught: {figures:?}");
            }
        }
    )*};
}

schedules! { marten_late_commit marten_rebuild_skip zitadel_transaction_time same_microsecond }
