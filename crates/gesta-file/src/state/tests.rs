use std::{fs, time::Duration};

use bytes::Bytes;
use gesta_core::{
    Checkpoint, CheckpointError, CheckpointKey, CheckpointStore, Epoch, ManualClock, Snapshot, SnapshotStore,
    StreamId, Tenant, Timestamp, Version,
};

use super::*;
use crate::{checkpoints::Checkpoints, snapshots::Snapshots};

const TTL: Duration = Duration::from_secs(30);

struct Folder {
    dir: tempfile::TempDir,
    incarnation: Incarnation,
    clock: Arc<ManualClock>,
}

impl Folder {
    fn new() -> Self {
        let clock = Arc::new(ManualClock::at(Timestamp::from_micros(1)));
        Self { dir: tempfile::tempdir().expect("a folder"), incarnation: Incarnation::random(), clock }
    }

    fn path(&self) -> PathBuf {
        path_in(self.dir.path())
    }

    fn state(&self) -> Arc<State> {
        Arc::new(State::open(self.dir.path(), self.incarnation).expect("opens"))
    }

    fn refused(&self) -> StateError {
        State::open(self.dir.path(), self.incarnation).err().expect("is refused")
    }

    fn checkpoints(&self) -> Checkpoints {
        Checkpoints::of(self.state(), self.clock.clone())
    }

    /// The stopped file as plain SQLite sees it.
    fn sql(&self, text: &str) {
        Connection::open(self.path()).expect("opens").execute_batch(text).expect("runs");
    }
}

fn key(name: &str) -> CheckpointKey {
    CheckpointKey::new(Tenant::default(), name)
}

fn at(position: u64, state: &'static str) -> Checkpoint {
    Checkpoint { position: Position::new(position), state: Bytes::from_static(state.as_bytes()) }
}

fn stream() -> StreamId {
    "order-1".parse().expect("legal")
}

fn snapshot(version: u64, fingerprint: &str) -> Snapshot {
    Snapshot {
        version: Version::new(version),
        fingerprint: fingerprint.into(),
        state: format!("{fingerprint} at {version}").into(),
    }
}

#[tokio::test]
async fn what_was_saved_is_read_back_after_reopening() {
    let folder = Folder::new();
    let epoch = {
        let checkpoints = folder.checkpoints();
        let claim = checkpoints.claim(&key("a"), "me", TTL).await.expect("claims");
        checkpoints.save(&key("a"), claim.epoch, at(41, "state")).await.expect("saves");
        claim.epoch
    };
    let state = folder.state();
    assert_eq!(state.max_position(), Position::new(41));
    let checkpoints = Checkpoints::of(state, folder.clock.clone());
    assert_eq!(checkpoints.load(&key("a")).await.expect("loads"), at(41, "state"));
    // The lease is remembered too: the same owner goes on, another waits.
    let again = checkpoints.claim(&key("a"), "me", TTL).await.expect("claims");
    assert_eq!((again.epoch, again.checkpoint), (epoch, at(41, "state")));
    let other = checkpoints.claim(&key("a"), "you", TTL).await;
    assert!(matches!(other, Err(CheckpointError::Owned { owner, .. }) if owner == "me"));
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_owners_at_once_one_gets_the_lease_and_epochs_are_never_equal() {
    let folder = Folder::new();
    let checkpoints = Arc::new(folder.checkpoints());
    let mut epochs = Vec::new();
    for round in 0..5 {
        let bids = (0..20).map(|n| {
            let checkpoints = checkpoints.clone();
            tokio::spawn(async move { checkpoints.claim(&key("a"), &format!("{round}-{n}"), TTL).await })
        });
        let mut won = Vec::new();
        for bid in bids.collect::<Vec<_>>() {
            won.extend(bid.await.expect("ends").ok());
        }
        assert_eq!(won.len(), 1, "in round {round}");
        epochs.push(won[0].epoch.0);
        folder.clock.advance(TTL);
    }
    assert_eq!(epochs, [1, 2, 3, 4, 5]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stale_save_among_many_fails_alone() {
    let folder = Folder::new();
    let checkpoints = Arc::new(folder.checkpoints());
    for n in 0..50 {
        checkpoints.claim(&key(&n.to_string()), "me", TTL).await.expect("claims");
    }
    let saves = (0..50u64).map(|n| {
        let checkpoints = checkpoints.clone();
        let epoch = Epoch(if n % 10 == 3 { 7 } else { 1 });
        tokio::spawn(async move { checkpoints.save(&key(&n.to_string()), epoch, at(n, "x")).await })
    });
    let mut stale = 0;
    for save in saves.collect::<Vec<_>>() {
        match save.await.expect("ends") {
            Ok(()) => {}
            Err(CheckpointError::Stale { current, .. }) => stale += u64::from(current == Epoch(1)),
            Err(other) => panic!("{other}"),
        }
    }
    assert_eq!(stale, 5);
    assert_eq!(checkpoints.load(&key("49")).await.expect("loads"), at(49, "x"));
    assert_eq!(checkpoints.load(&key("43")).await.expect("loads"), Checkpoint::default());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_fails_does_not_take_the_others_of_its_transaction_with_it() {
    let folder = Folder::new();
    let state = folder.state();
    let jobs = (0..40).map(|n| {
        let state = state.clone();
        tokio::spawn(async move {
            let work = move |connection: &Connection| match n % 4 {
                1 => Ok(connection.execute("INSERT INTO absent VALUES (1)", [])?),
                _ => Ok(connection.execute("INSERT INTO migrations VALUES (?1, 'x', x'')", [1000 + n])?),
            };
            state.write::<_, StateError>(work).await.is_ok()
        })
    });
    let mut done = 0;
    for job in jobs.collect::<Vec<_>>() {
        done += usize::from(job.await.expect("ends"));
    }
    let count = "SELECT count(*) FROM migrations WHERE number >= 1000";
    let kept = state.read::<i64, StateError>(|c| Ok(c.query_row(count, [], |row| row.get(0))?)).await;
    let kept = kept.expect("reads");
    assert_eq!((done, kept), (30, 30));
}

#[tokio::test]
async fn a_damaged_row_counts_as_lost_and_a_damaged_epoch_is_refused() {
    let folder = Folder::new();
    {
        let checkpoints = folder.checkpoints();
        for name in ["a", "b", "c"] {
            let claim = checkpoints.claim(&key(name), "me", TTL).await.expect("claims");
            checkpoints.save(&key(name), claim.epoch, at(9, "state")).await.expect("saves");
        }
    }
    folder.sql("UPDATE checkpoints SET position = 99 WHERE name = 'a'");
    folder.sql("UPDATE leases SET epoch = 99 WHERE name = 'b'");
    let state = folder.state();
    assert_eq!(state.max_position(), Position::new(9), "a damaged position is no witness");
    let checkpoints = Checkpoints::of(state, folder.clock.clone());
    assert_eq!(checkpoints.load(&key("a")).await.expect("loads"), Checkpoint::default());
    let refused = checkpoints.claim(&key("b"), "me", TTL).await.expect_err("is refused");
    assert!(matches!(refused, CheckpointError::Unavailable { .. }), "{refused}");
    assert_eq!(checkpoints.load(&key("c")).await.expect("loads"), at(9, "state"));
}

#[tokio::test]
async fn of_damaged_snapshots_an_earlier_one_is_taken() {
    let folder = Folder::new();
    {
        let snapshots = Snapshots::of(folder.state());
        for version in [3, 7] {
            snapshots.save(&Tenant::default(), &stream(), snapshot(version, "v1")).await.expect("saves");
        }
    }
    folder.sql("UPDATE snapshots SET state = x'00' WHERE version = 7");
    let snapshots = Snapshots::of(folder.state());
    let found = snapshots.load(&Tenant::default(), &stream(), "v1").await.expect("loads");
    assert_eq!(found, Some(snapshot(3, "v1")));
}

#[test]
fn a_file_of_another_life_is_refused_until_it_is_adopted() {
    let mut folder = Folder::new();
    drop(folder.state());
    folder.incarnation = Incarnation::random();
    assert!(matches!(folder.refused(), StateError::OtherIncarnation { .. }));
    adopt(&folder.path(), folder.incarnation).expect("adopts");
    drop(folder.state());
}

#[test]
fn a_file_that_is_not_ours_or_newer_or_damaged_is_refused_and_left() {
    let foreign = Folder::new();
    foreign.sql("CREATE TABLE theirs (x)");
    assert!(matches!(foreign.refused(), StateError::Foreign { .. }));

    let newer = Folder::new();
    drop(newer.state());
    newer.sql("PRAGMA user_version = 99");
    assert!(matches!(newer.refused(), StateError::Newer { found: 99, .. }));

    let edited = Folder::new();
    drop(edited.state());
    edited.sql("UPDATE migrations SET checksum = x'00'");
    assert!(matches!(edited.refused(), StateError::OtherMigration { number: 1, .. }));

    let damaged = Folder::new();
    drop(damaged.state());
    let mut bytes = fs::read(damaged.path()).expect("reads");
    bytes[..100].fill(0x55);
    fs::write(damaged.path(), &bytes).expect("writes");
    assert!(matches!(damaged.refused(), StateError::Damaged { .. }), "{}", damaged.refused());
    assert_eq!(fs::read(damaged.path()).expect("reads"), bytes, "it is left as it is");
}

#[test]
fn only_what_promises_to_survive_a_power_cut_is_synced() {
    let folder = Folder::new();
    drop(folder.state());
    let level = |connection: Connection| -> i64 {
        connection.pragma_query_value(None, "synchronous", |row| row.get(0)).expect("asks")
    };
    let open = |made: Result<Connection, connection::Refused>| made.unwrap_or_else(|_| panic!("opens"));
    assert_eq!(level(open(connection::writing(&folder.path()))), 1);
    assert_eq!(level(open(connection::durable(&folder.path()))), 2);
}
