//! The laws of checkpoints, snapshots and read models.

use std::sync::Arc;

use gesta_conformance::{checkpoint_laws, read_model_laws, snapshot_laws};
use gesta_core::{CheckpointStore, SnapshotStore, read_model::ReadModelStore};
use gesta_postgres::{Options, PostgresStore, ReadModels};

use crate::support::{self, Database};

/// A part of a store in a database of its own, which goes behind it.
async fn beside_a_log<P: ?Sized>(part: impl FnOnce(&PostgresStore) -> Arc<P>) -> (Arc<P>, Database) {
    let database = support::database().await;
    (part(&database.store().await), database)
}

mod checkpoints_beside_a_log {
    use super::*;

    async fn fresh() -> (Arc<dyn CheckpointStore>, Database) {
        beside_a_log(PostgresStore::checkpoints).await
    }

    checkpoint_laws!(fresh);
}

mod snapshots_beside_a_log {
    use super::*;

    async fn fresh() -> (Arc<dyn SnapshotStore>, Database) {
        beside_a_log(PostgresStore::snapshots).await
    }

    snapshot_laws!(fresh);
}

mod read_models_beside_a_log {
    use super::*;

    async fn fresh() -> (Arc<dyn ReadModelStore>, Database) {
        beside_a_log(PostgresStore::read_models).await
    }

    read_model_laws!(fresh);
}

mod read_models_alone {
    use super::*;

    async fn fresh() -> (Arc<dyn ReadModelStore>, Database) {
        let database = support::database().await;
        let alone = ReadModels::connect(&database.url(), Options::default()).await.expect("connects");
        (Arc::new(alone), database)
    }

    read_model_laws!(fresh);
    checkpoint_laws!(fresh);
}
