//! Which checkpoints go along when a log is copied into another store.

use std::collections::HashMap;

use gesta_core::{CheckpointKey, CheckpointRecord};

use super::{ProcessorsError, record::Record};

/// Where the record of a processor is kept: this and its name.
pub(super) const RECORDS: &str = "processors/";

/// Which checkpoints go along when a log is copied into another store.
///
/// Groups and handlers go on where they were, and whoever was paused stays paused. The rows of read models stay
/// behind, since they are derived: a projection goes along without its place, and fills a fresh generation of its
/// tables when it is started.
///
/// ```
/// use gesta::CarriedCheckpoints;
/// use gesta_core::{Checkpoint, CheckpointKey, CheckpointRecord, Epoch, Position, Tenant};
///
/// let record = |name: &str, state: &'static str| CheckpointRecord {
///     key: CheckpointKey::new(Tenant::default(), name),
///     epoch: Epoch(3),
///     saved: Checkpoint { position: Position::new(9), state: state.into() },
/// };
/// let of_sums = r#"{"last":2,"at_work":{"number":2,"fingerprint":"67e55044-10b1-426f-9247-bb680e5fe0c8","tables":["sums"]}}"#;
/// let records = [record("group/billing", ""), record("processors/sums", of_sums), record("sums@2", "")];
///
/// let mut carried = CarriedCheckpoints::default();
/// records.iter().try_for_each(|record| carried.look(record))?;
/// let names = records.into_iter().filter_map(|record| carried.take(record)).map(|record| record.key.name);
/// assert_eq!(names.collect::<Vec<_>>(), ["group/billing", "processors/sums"]);
/// # Ok::<(), gesta::ProcessorsError>(())
/// ```
#[derive(Debug, Default)]
pub struct CarriedCheckpoints {
    /// The highest number of a generation that each projection ever had.
    projections: HashMap<CheckpointKey, u64>,
}

impl CarriedCheckpoints {
    /// Takes note of a record. All of them are to be looked at before the first is taken. Fails on what a newer
    /// release has remembered of a processor.
    pub fn look(&mut self, record: &CheckpointRecord) -> Result<(), ProcessorsError> {
        if record.key.name.starts_with(RECORDS) {
            let last = remembered(record)?.last;
            if last > 0 {
                self.projections.insert(record.key.clone(), last);
            }
        }
        Ok(())
    }

    /// The record as it goes along; `None` if it stays behind.
    pub fn take(&self, mut record: CheckpointRecord) -> Option<CheckpointRecord> {
        if self.is_generation(&record.key) {
            return None;
        }
        if self.projections.contains_key(&record.key) {
            let Record { paused, last, .. } = remembered(&record).ok()?;
            let bare = Record { paused, last, ..Record::default() };
            record.saved.state = serde_json::to_vec(&bare).expect("numbers are JSON").into();
        }
        Some(record)
    }

    fn is_generation(&self, key: &CheckpointKey) -> bool {
        let Some((processor, number)) = key.name.rsplit_once('@') else { return false };
        let of = CheckpointKey::new(key.tenant.clone(), format!("{RECORDS}{processor}"));
        let last = self.projections.get(&of).copied().unwrap_or(0);
        number.parse().is_ok_and(|number: u64| 1 <= number && number <= last)
    }
}

fn remembered(record: &CheckpointRecord) -> Result<Record, ProcessorsError> {
    if record.saved.state.is_empty() {
        return Ok(Record::default());
    }
    serde_json::from_slice(&record.saved.state).map_err(|error| ProcessorsError::Unavailable {
        reason: format!("what {} remembers cannot be read ({error}): use a newer release", record.key),
    })
}
