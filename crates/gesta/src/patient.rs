//! Appends what may be appended again.

use std::time::Duration;

use backon::{ExponentialBuilder, Retryable};
use gesta_core::{AppendBatch, AppendError, Appended, EventStore};

/// Appends a batch; patient while the outcome is open, so a repetition of it must do no harm.
pub(crate) async fn append(store: &dyn EventStore, batch: AppendBatch) -> Result<Appended, AppendError> {
    let patience = ExponentialBuilder::default()
        .with_min_delay(Duration::from_millis(20))
        .with_max_times(6)
        .with_jitter();
    (|| store.append(batch.clone())).retry(patience).when(AppendError::is_transient).await
}
