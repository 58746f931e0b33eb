//! Random histories against the model.

use crate::{Backend, MemoryBackend, model};

/// Four histories of 120 commands: every answer equals the model's, and the log's digest equals the one that the
/// same commands leave in memory.
pub async fn agree_with_the_model(backend: &dyn Backend) {
    for run in 1..=4 {
        let digest = model::play(backend, run, 120).await;
        assert_ne!(digest, model::play(backend, run + 100, 5).await, "the digest tells nothing apart");
        let reference = MemoryBackend::default();
        assert_eq!(
            digest,
            model::play(&reference, run, 120).await,
            "run {run} left another log than in memory"
        );
    }
}
