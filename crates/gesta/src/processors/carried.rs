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
    Record::from_bytes(&record.key, &record.saved.state)
}

#[cfg(test)]
mod tests {
    use gesta_core::{Checkpoint, Epoch, Position, Tenant};

    use super::*;

    fn record(name: &str, state: &'static str) -> CheckpointRecord {
        CheckpointRecord {
            key: CheckpointKey::new(Tenant::default(), name),
            epoch: Epoch(3),
            saved: Checkpoint { position: Position::new(9), state: state.into() },
        }
    }

    #[test]
    fn only_what_stands_for_rows_stays_behind() {
        let generation =
            r#"{"number":2,"fingerprint":"67e55044-10b1-426f-9247-bb680e5fe0c8","tables":["t"]}"#;
        let of_projection = format!(r#"{{"paused":true,"last":2,"at_work":{generation},"before":null}}"#);
        let of_projection: &'static str = of_projection.leak();
        let stay = [record("sums@1", "rows"), record("sums@2", "rows")];
        let as_they_are = [
            record("group/sums@2", "table"),
            record("mailer", "tally"),
            record("mailer@2", "tally"),
            record("processors/mailer", r#"{"paused":true}"#),
            record("sums@3", "a handler of that name"),
        ];
        let mut carried = CarriedCheckpoints::default();
        let bare = record("processors/sums", of_projection);
        for record in stay.iter().chain(&as_they_are).chain([&bare]) {
            carried.look(record).expect("legible");
        }
        for record in stay {
            assert_eq!(carried.take(record), None);
        }
        for record in as_they_are {
            assert_eq!(carried.take(record.clone()), Some(record));
        }
        let bare = remembered(&carried.take(bare).expect("it goes along")).expect("legible");
        assert_eq!(bare, Record { paused: true, last: 2, ..Record::default() });
    }
}
