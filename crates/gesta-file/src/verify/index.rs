//! Compares the index with the log, and through it proves what a log of any size must keep: ids once, versions
//! without a gap.

use std::path::{Path, PathBuf};

use gesta_core::{Incarnation, Position};

use super::{
    Progress, Report,
    log::{Reading, Walked},
};
use crate::{
    OpenError,
    index::{Digest, Entry, Index, WORTHWHILE},
    log::follow,
};

/// The index of the folder, if it can be used.
pub(super) struct Existing(Option<Index>);

impl Existing {
    /// Opens the folder's index as it is. None at all is no damage.
    pub(super) fn open(dir: &Path, incarnation: Incarnation, report: &mut Report) -> Self {
        let dir = dir.join("index");
        if !dir.exists() {
            return Self(None);
        }
        match Index::inspect(&dir, incarnation) {
            Ok(index) => Self(Some(index)),
            Err(error) => {
                report.find("index", error);
                Self(None)
            }
        }
    }

    /// How far the index goes, the start if there is none.
    pub(super) fn watermark(&self) -> Position {
        self.0.as_ref().map_or(Position::START, Index::watermark)
    }
}

/// Compares the existing index, and where it proves too little, one built for the purpose.
pub(super) fn compare(
    existing: Existing,
    log: &Reading,
    walked: &Walked,
    progress: &mut dyn FnMut(Progress),
    report: &mut Report,
) -> Result<(), OpenError> {
    if let Some(index) = existing.0 {
        let watermark = index.watermark();
        if watermark > walked.head {
            report.find("log", format!("it ends at {}, but the index vouches for {watermark}", walked.head));
        } else if agrees(&index, &walked.up_to_watermark, "index", report) && watermark == walked.head {
            return Ok(());
        }
    }
    let beside = Beside::new(log.incarnation)?;
    let mut entries = Vec::with_capacity(WORTHWHILE);
    let mut failed = None;
    log.again("building an index to compare", progress, &mut |event| {
        entries.push(follow::entry(event));
        if entries.len() == WORTHWHILE {
            failed = failed.take().or(beside.index.apply(&std::mem::take(&mut entries)).err());
        }
    })?;
    let failed = failed.or(beside.index.apply(&entries).err());
    if let Some(error) = failed {
        return Err(OpenError::Part { part: "an index to compare", reason: error.to_string() });
    }
    if !agrees(&beside.index, &walked.digest, "log", report) {
        name_the_events(&beside.index, log, progress, report)?;
    }
    Ok(())
}

/// Whether an index holds what the log does, and is whole in itself.
fn agrees(index: &Index, log: &Digest, place: &str, report: &mut Report) -> bool {
    let before = report.findings_total;
    match index.audit(&mut |fault| report.find(place, fault)) {
        Ok(audit) => {
            report.streams = audit.streams;
            let parts = [
                ("ids", audit.digest.ids, log.ids),
                ("streams", audit.digest.streams, log.streams),
                ("correlations", audit.digest.correlations, log.correlations),
            ];
            for (part, index, log) in parts.into_iter().filter(|(_, index, log)| index != log) {
                let reason = format!(
                    "its {part} ({}) and the events of the log ({}) are not the same",
                    index.count, log.count
                );
                report.find(place, format!("{reason}; an index is built anew when its folder is deleted"));
            }
        }
        Err(error) => report.find(place, error),
    }
    report.findings_total == before
}

/// An index that was built from this very log differs from it only where an id, or a version of a stream, comes
/// twice.
fn name_the_events(
    index: &Index,
    log: &Reading,
    progress: &mut dyn FnMut(Progress),
    report: &mut Report,
) -> Result<(), OpenError> {
    log.again("looking for the events", progress, &mut |event| {
        let Entry { tenant, id, position, .. } = follow::entry(event);
        match index.find_id(&tenant, id) {
            Ok(Some(found)) if found == position => {}
            Ok(found) => {
                let other = found.unwrap_or(Position::START);
                report.find("log", format!("id {id} is that of position {position} and of {other}"));
            }
            Err(error) => report.find("log", error),
        }
    })
}

/// An index in a folder of its own, which goes with it.
struct Beside {
    index: Index,
    dir: PathBuf,
}

impl Beside {
    /// An empty one, among the system's temporary files.
    fn new(incarnation: Incarnation) -> Result<Self, OpenError> {
        let dir = std::env::temp_dir().join(format!("gesta-verify-{}", uuid::Uuid::new_v4()));
        let index = Index::open(&dir, incarnation, Position::START)
            .map_err(|error| OpenError::Part { part: "an index to compare", reason: error.to_string() })?;
        Ok(Self { index, dir })
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}
