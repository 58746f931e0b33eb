//! A save that was given up, and reaches the database behind later ones.

use std::time::Duration;

use gesta_core::{Checkpoint, CheckpointKey, Epoch, Position, Tenant, read_model::Commit};
use tokio_postgres::{Client, types::ToSql};

use crate::support;

const SAVE: &str = include_str!("../../src/sql/save_checkpoint.sql");

/// What the database was sent for a save, to be sent again.
struct Sent {
    epoch: i64,
    position: i64,
    state: Vec<u8>,
    writer: uuid::Uuid,
    number: i64,
}

impl Sent {
    async fn last(client: &Client, epoch: Epoch) -> Self {
        let row = client
            .query_one("SELECT position, state, writer, write_number FROM gesta.checkpoints", &[])
            .await
            .expect("is there");
        let epoch = i64::try_from(epoch.0).expect("small");
        Self { epoch, position: row.get(0), state: row.get(1), writer: row.get(2), number: row.get(3) }
    }

    /// Comes late; answers with the epoch, as a save does.
    async fn arrive(&self, client: &Client) -> i64 {
        let Self { epoch, position, state, writer, number } = self;
        let values: [&(dyn ToSql + Sync); 7] = [&"default", &"p", epoch, position, state, writer, number];
        client.query_one(SAVE, &values).await.expect("is answered").get(0)
    }
}

fn at(position: u64, state: &'static str) -> Checkpoint {
    Checkpoint { position: Position::new(position), state: state.into() }
}

#[tokio::test]
async fn a_save_that_comes_late_moves_nothing_back() {
    let database = support::database().await;
    let (store, client) = (database.store().await, database.client().await);
    let (checkpoints, rows) = (store.checkpoints(), store.read_models());
    let key = CheckpointKey::new(Tenant::default(), "p");
    let epoch = checkpoints.claim(&key, "one", Duration::from_secs(600)).await.expect("free").epoch;
    let stands = async || checkpoints.load(&key).await.expect("is there");

    checkpoints.save(&key, epoch, at(5, "a")).await.expect("saved");
    let first = Sent::last(&client, epoch).await;
    // The copy of one that nothing came behind.
    assert_eq!((first.arrive(&client).await, stands().await), (first.epoch, at(5, "a")));

    // An equal position, and one that goes back on purpose, are as good as a higher one.
    for later in [at(9, "b"), at(9, "c"), at(3, "d")] {
        checkpoints.save(&key, epoch, later.clone()).await.expect("saved");
        let sent = Sent::last(&client, epoch).await;
        assert_eq!((first.arrive(&client).await, stands().await), (first.epoch, later.clone()));
        assert_eq!((sent.arrive(&client).await, stands().await), (first.epoch, later));
    }

    let saved = Sent::last(&client, epoch).await;
    let commit = Commit {
        key: key.clone(),
        epoch,
        after: Position::new(3),
        checkpoint: at(12, "e"),
        statements: Vec::new(),
    };
    rows.commit(commit).await.expect("is made");
    saved.arrive(&client).await;
    assert_eq!(stands().await, at(12, "e"), "behind a commit of rows");
}

/// Another process under the same epoch, as one that was started again within its lease, counts from the beginning.
#[tokio::test]
async fn the_numbers_of_two_processes_are_not_compared() {
    let database = support::database().await;
    let (checkpoints, client) = (database.store().await.checkpoints(), database.client().await);
    let key = CheckpointKey::new(Tenant::default(), "p");
    let epoch = checkpoints.claim(&key, "one", Duration::from_secs(600)).await.expect("free").epoch;
    checkpoints.save(&key, epoch, at(5, "a")).await.expect("saved");
    let former = Sent::last(&client, epoch).await;
    let (writer, state) = (uuid::Uuid::new_v4(), b"b".to_vec());
    Sent { writer, number: 0, position: 7, state, ..former }.arrive(&client).await;
    assert_eq!(checkpoints.load(&key).await.expect("is there"), at(7, "b"));
}
