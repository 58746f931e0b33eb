//! A synchronous standby is promoted when its primary stops at once: the address of the store names both.

use super::*;
use gesta_core::{AppendBatch, ExpectedVersion, NewEvent};

/// Two servers, the second one a standby that commits wait for, and an address that names both.
struct Pair {
    primary: Cluster,
    standby: Cluster,
    database: String,
}

impl Pair {
    async fn new() -> Self {
        let primary = Cluster::start("hot_standby=on\nwal_keep_size=256MB\n");
        let database = primary.database().await;
        let standby = primary.standby("");
        let admin = primary.client("postgres").await;
        admin.batch_execute("ALTER SYSTEM SET synchronous_standby_names = 'standby'").await.expect("set");
        admin.batch_execute("SELECT pg_reload_conf()").await.expect("read");
        let pair = Self { primary, standby, database };
        pair.until_waited_for(&admin).await;
        pair
    }

    async fn until_waited_for(&self, admin: &Client) {
        let sql = "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'";
        let began = Instant::now();
        while admin.query_one(sql, &[]).await.expect("asked").get::<_, i64>(0) == 0 {
            assert!(began.elapsed() < PATIENCE, "the standby never becomes synchronous");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    fn url(&self) -> String {
        let (one, two) = (self.primary.address(), self.standby.address());
        format!("postgres://gesta@{one},{two}/{}?target_session_attrs=read-write", self.database)
    }

    async fn store(&self) -> PostgresStore {
        let options = Options::default().connections(6).connect_timeout(Duration::from_secs(3));
        PostgresStore::connect(&self.url(), options).await.expect("connects")
    }

    /// The primary is gone for good, the standby takes over and waits for nobody.
    async fn fail_over(&self) {
        self.primary.stop_at_once();
        self.standby.promote();
        let admin = self.standby.client("postgres").await;
        admin.batch_execute("ALTER SYSTEM SET synchronous_standby_names = ''").await.expect("set");
        admin.batch_execute("SELECT pg_reload_conf()").await.expect("read");
    }
}

/// Two stores on a pair of servers.
struct OnPair {
    stores: [PostgresStore; 2],
    turn: AtomicUsize,
}

#[async_trait]
impl Backend for OnPair {
    async fn store(&self, _: &Tenant) -> Arc<dyn EventStore> {
        Arc::new(self.stores[self.turn.fetch_add(1, Ordering::SeqCst) % 2].clone())
    }

    async fn catalog(&self, _: &Tenant) -> Arc<dyn StreamCatalog> {
        Arc::new(self.stores[0].clone())
    }
}

async fn until_head(stores: &[PostgresStore; 2], more: u64) {
    let head = || stores.iter().map(|store| store.status().head.get()).max().unwrap_or(0);
    let (wanted, began) = (head() + more, Instant::now());
    while head() < wanted {
        assert!(began.elapsed() < PATIENCE, "the log does not grow");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_promoted_standby_has_everything_that_was_acknowledged() {
    let (mut dice, mut figures) = (Dice::of(sizes::run()), Figures::default());
    for _ in 0..sizes::rounds(1).div_ceil(11) {
        let pair = Pair::new().await;
        let stores = [pair.store().await, pair.store().await];
        let on_pair = OnPair { stores: stores.clone(), turn: AtomicUsize::new(0) };
        let grow = dice.between(50, 200);
        let fail_over = async {
            until_head(&stores, grow).await;
            pair.fail_over().await;
            until_head(&stores, 50).await;
        };
        let load = Load { clients: 8, operations: 0, streams: 4, hang_ups: 3, run: dice.number() };
        figures.account(Fault::Promote, &lin_append_under(&on_pair, load, fail_over).await);
        figures.read_again_of_round(&whole(&stores[1]).await);
        for store in stores {
            store.close().await;
        }
    }
    figures.print("postgres");
    assert!(figures.wrong.is_empty(), "{:#?}", figures.wrong);
}

/// A commit that waits for the standby is visible on the primary once somebody ends the wait. To say then that it is
/// stored would be to promise what a failover takes back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_repeat_is_acknowledged_only_when_the_standby_has_it() {
    let pair = Pair::new().await;
    let store = PostgresStore::connect(
        &pair.url(),
        Options::default().append_timeout(Duration::from_secs(4)).connect_timeout(Duration::from_secs(3)),
    )
    .await
    .expect("connects");
    pair.standby.stop_at_once();
    let event = NewEvent::new("tried", "{}");
    let batch = || AppendBatch::to("late-1".parse().expect("legal"), ExpectedVersion::Any, [event.clone()]);
    let waiting = tokio::spawn({
        let (store, batch) = (store.clone(), batch());
        async move { store.append(batch).await }
    });
    let admin = pair.primary.client(&pair.database).await;
    let began = Instant::now();
    // Whoever is thrown out of the wait has committed, on the primary alone.
    let sql = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE wait_event = 'SyncRep'
               AND application_name = 'gesta'";
    while admin.query_one(sql, &[]).await.expect("asked").get::<_, i64>(0) == 0 {
        assert!(began.elapsed() < PATIENCE, "the append never waits for the standby");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let outcome = waiting.await.expect("no panic");
    assert!(
        matches!(outcome, Err(gesta_core::AppendError::Unknown { .. })),
        "nobody may say it is safe: {outcome:?}"
    );
    pair.standby.up();
    let settled = store.append(batch()).await.expect("settled once the standby is back");
    assert_eq!(settled.last().position.get(), 1);
    pair.fail_over().await;
    let there = store.append(batch()).await.expect("the other server answers");
    assert!(there.repeated && there.last().position.get() == 1, "{there:?}");
    store.close().await;
}
