//! The laws of what stands beside a log in its folder, read models in memory, and a bug that the laws catch.

use std::{panic::AssertUnwindSafe, sync::Arc};

use async_trait::async_trait;
use futures_util::FutureExt;
use gesta_conformance::{
    around::{Around, AroundCheckpoints, AroundReadModels},
    checkpoint_laws, read_model_laws, read_models, snapshot_laws,
};
use gesta_core::{
    Checkpoint, CheckpointStore, SnapshotStore,
    read_model::{Commit, ReadModelError, ReadModelStore},
};
use gesta_file::{FileStore, read_models_in_memory};
use tempfile::TempDir;

use crate::support;

/// A store, closed before its folder goes.
type Folder = (FileStore, TempDir);

/// A part of a store in a folder of its own.
fn in_a_folder<P: ?Sized>(part: impl FnOnce(&FileStore) -> Arc<P>) -> (Arc<P>, Folder) {
    let folder = tempfile::tempdir().expect("a folder");
    let store = FileStore::open(folder.path(), support::tiny()).expect("an empty folder opens");
    (part(&store), (store, folder))
}

mod checkpoints {
    use super::*;

    async fn fresh() -> (Arc<dyn CheckpointStore>, Folder) {
        in_a_folder(FileStore::checkpoints)
    }

    checkpoint_laws!(fresh);
}

mod snapshots {
    use super::*;

    async fn fresh() -> (Arc<dyn SnapshotStore>, Folder) {
        in_a_folder(FileStore::snapshots)
    }

    snapshot_laws!(fresh);
}

mod read_models_in_a_folder {
    use super::*;

    async fn fresh() -> (Arc<dyn ReadModelStore>, Folder) {
        in_a_folder(FileStore::read_models)
    }

    read_model_laws!(fresh);
}

mod in_memory {
    use super::*;

    async fn fresh() -> (Arc<dyn ReadModelStore>, ()) {
        (read_models_in_memory().expect("there is memory"), ())
    }

    read_model_laws!(fresh);
    checkpoint_laws!(fresh);
}

/// Saves the checkpoint outside the transaction.
struct Apart {
    inner: Arc<dyn ReadModelStore>,
    _folder: Folder,
}

impl Apart {
    fn fresh() -> Arc<dyn ReadModelStore> {
        let (inner, _folder) = in_a_folder(FileStore::read_models);
        Arc::new(Around(Self { inner, _folder }))
    }
}

impl AroundCheckpoints for Apart {
    fn checkpoints(&self) -> &dyn CheckpointStore {
        &*self.inner
    }
}

#[async_trait]
impl AroundReadModels for Apart {
    fn read_models(&self) -> &dyn ReadModelStore {
        &*self.inner
    }

    async fn commit(&self, commit: Commit) -> Result<(), ReadModelError> {
        let (key, epoch, checkpoint) = (commit.key.clone(), commit.epoch, commit.checkpoint.clone());
        let stays = Checkpoint { position: commit.after, ..commit.checkpoint.clone() };
        self.inner.commit(Commit { checkpoint: stays, ..commit }).await?;
        tokio::task::yield_now().await;
        Ok(self.inner.save(&key, epoch, checkpoint).await?)
    }
}

#[test]
fn a_checkpoint_outside_the_transaction_is_caught() {
    gesta_conformance::run(async {
        let gap = || read_models::rows_are_never_ahead_of_the_checkpoint(Apart::fresh());
        assert!(is_caught(gap).await, "nobody noticed the gap");
        let hang_up = || read_models::who_hangs_up_leaves_all_or_nothing(Apart::fresh());
        assert!(is_caught(hang_up).await, "nobody noticed the hang-up");
    });
}

/// Whether a law fails within some runs: on a busy machine one run may miss the moment between the two steps.
async fn is_caught<F: Future<Output = ()>>(law: impl Fn() -> F) -> bool {
    for _ in 0..20 {
        if AssertUnwindSafe(law()).catch_unwind().await.is_err() {
            return true;
        }
    }
    false
}
