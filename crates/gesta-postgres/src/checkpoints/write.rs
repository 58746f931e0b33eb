//! What every write of a checkpoint carries, whether it comes alone or with rows.

use std::sync::{
    LazyLock,
    atomic::{AtomicI64, Ordering},
};

use gesta_core::{Checkpoint, CheckpointError, Epoch};
use uuid::Uuid;

/// Largest state of a checkpoint, in bytes (16 MiB).
const STATE_BYTES: usize = 16 << 20;

/// Which write of a checkpoint it is. A statement that was given up may still reach the database, behind later ones: of
/// two writes of one process the one with the lower number is the older, whatever they say.
pub(crate) struct Write {
    /// This process.
    pub(crate) writer: Uuid,
    pub(crate) number: i64,
}

impl Write {
    pub(crate) fn next() -> Self {
        static WRITER: LazyLock<Uuid> = LazyLock::new(Uuid::new_v4);
        static NUMBER: AtomicI64 = AtomicI64::new(1);
        Self { writer: *WRITER, number: NUMBER.fetch_add(1, Ordering::Relaxed) }
    }
}

/// Refuses a state beyond what is promised.
pub(crate) fn too_large(saved: &Checkpoint) -> Result<(), CheckpointError> {
    if saved.state.len() <= STATE_BYTES {
        return Ok(());
    }
    Err(unavailable(format!("a state of {} bytes is over {STATE_BYTES}", saved.state.len())))
}

/// The epoch of a row; none is negative.
pub(crate) fn epoch(number: i64) -> Epoch {
    Epoch(u64::try_from(number).unwrap_or(0))
}

pub(super) fn unavailable(reason: String) -> CheckpointError {
    CheckpointError::Unavailable { reason }
}
