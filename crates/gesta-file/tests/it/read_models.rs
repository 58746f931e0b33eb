//! The laws of read models, on the file and in memory, and a bug that they catch.

use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

use async_trait::async_trait;
use futures_util::FutureExt;
use gesta_conformance::{checkpoint_laws, read_model_laws, read_models};
use gesta_core::{
    Checkpoint, CheckpointError, CheckpointKey, CheckpointRecord, CheckpointStore, Claim, Epoch,
    read_model::{Commit, ReadModelError, ReadModelStore, Row, Statement},
};
use gesta_file::{FileStore, Options, read_models_in_memory};
use tempfile::TempDir;

/// Read models in a folder of their own; on wish with the checkpoint saved outside the transaction.
struct Wrapped {
    // Dropped before its folder goes.
    inner: Arc<dyn ReadModelStore>,
    _folder: TempDir,
    apart: bool,
}

impl Wrapped {
    fn new(apart: bool) -> Arc<Self> {
        let folder = tempfile::tempdir().expect("a folder");
        let store = FileStore::open(folder.path(), Options::default()).expect("an empty folder opens");
        Arc::new(Self { inner: store.read_models(), _folder: folder, apart })
    }
}

#[async_trait]
impl CheckpointStore for Wrapped {
    async fn claim(&self, key: &CheckpointKey, owner: &str, ttl: Duration) -> Result<Claim, CheckpointError> {
        self.inner.claim(key, owner, ttl).await
    }

    async fn release(&self, key: &CheckpointKey, epoch: Epoch) -> Result<(), CheckpointError> {
        self.inner.release(key, epoch).await
    }

    async fn load(&self, key: &CheckpointKey) -> Result<Checkpoint, CheckpointError> {
        self.inner.load(key).await
    }

    async fn save(
        &self,
        key: &CheckpointKey,
        epoch: Epoch,
        saved: Checkpoint,
    ) -> Result<(), CheckpointError> {
        self.inner.save(key, epoch, saved).await
    }

    async fn remove(&self, key: &CheckpointKey) -> Result<(), CheckpointError> {
        self.inner.remove(key).await
    }

    async fn list(
        &self,
        after: Option<&CheckpointKey>,
        limit: usize,
    ) -> Result<Vec<CheckpointRecord>, CheckpointError> {
        self.inner.list(after, limit).await
    }

    async fn adopt(&self, record: CheckpointRecord) -> Result<(), CheckpointError> {
        self.inner.adopt(record).await
    }
}

#[async_trait]
impl ReadModelStore for Wrapped {
    async fn commit(&self, commit: Commit) -> Result<(), ReadModelError> {
        if !self.apart {
            return self.inner.commit(commit).await;
        }
        let (key, epoch, checkpoint) = (commit.key.clone(), commit.epoch, commit.checkpoint.clone());
        let stays = Checkpoint { position: commit.after, ..commit.checkpoint.clone() };
        self.inner.commit(Commit { checkpoint: stays, ..commit }).await?;
        tokio::task::yield_now().await;
        Ok(self.inner.save(&key, epoch, checkpoint).await?)
    }

    async fn query_together(&self, statements: Vec<Statement>) -> Result<Vec<Vec<Row>>, ReadModelError> {
        self.inner.query_together(statements).await
    }
}

mod in_a_folder {
    use super::*;

    async fn fresh() -> Arc<dyn ReadModelStore> {
        Wrapped::new(false)
    }

    read_model_laws!(fresh);
}

mod in_memory {
    use super::*;

    async fn fresh() -> Arc<dyn ReadModelStore> {
        read_models_in_memory().expect("there is memory")
    }

    async fn checkpoints() -> Arc<dyn CheckpointStore> {
        read_models_in_memory().expect("there is memory")
    }

    read_model_laws!(fresh);
    checkpoint_laws!(checkpoints);
}

#[test]
fn a_checkpoint_outside_the_transaction_is_caught() {
    gesta_conformance::run(async {
        let gap = || read_models::rows_are_never_ahead_of_the_checkpoint(Wrapped::new(true));
        assert!(is_caught(gap).await, "nobody noticed the gap");
        let hang_up = || read_models::who_hangs_up_leaves_all_or_nothing(Wrapped::new(true));
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
