//! Checks `state.db`: SQLite's own structure, the checksum of every row of ours, and that no checkpoint is ahead of
//! the log.

use std::path::Path;

use gesta_core::{Incarnation, Position};

use super::Report;
use crate::{
    checkpoints::{checked, lease_fits},
    snapshots::fits,
    state::{FILE, Look},
};

/// Adds what is wrong with the folder's `state.db`. None at all is no damage.
pub(super) fn check(dir: &Path, incarnation: Incarnation, head: Position, report: &mut Report) {
    if !dir.join(FILE).exists() {
        return;
    }
    if let Err(error) = look(dir, incarnation, head, report) {
        report.find(FILE, error);
    }
}

/// Goes through the tables one after the other; an error ends it and is a finding itself.
fn look(
    dir: &Path,
    incarnation: Incarnation,
    head: Position,
    report: &mut Report,
) -> Result<(), crate::StateError> {
    let look = Look::open(dir, incarnation)?;
    for fault in look.faults()? {
        report.find(FILE, fault);
    }
    look.rows(include_str!("../sql/list_checkpoints.sql"), |row| {
        let (tenant, name) = (row.get_ref(0)?.as_str()?, row.get_ref(1)?.as_str()?);
        report.checkpoints += 1;
        match checked(tenant, name, row, 2)? {
            None => report.find(FILE, format!("checkpoint {tenant}/{name} is damaged and counts as lost")),
            Some(found) if found.position > head => {
                let reason = format!("checkpoint {tenant}/{name} vouches for {}", found.position);
                report.find("log", format!("it ends at {head}, but {reason}"));
            }
            Some(_) => {}
        }
        Ok(())
    })?;
    look.rows(include_str!("../sql/list_leases.sql"), |row| {
        if !lease_fits(row)? {
            let (tenant, name) = (row.get_ref(0)?.as_str()?, row.get_ref(1)?.as_str()?);
            report.find(
                FILE,
                format!("the epoch of {tenant}/{name} is damaged; put the file back from a backup"),
            );
        }
        Ok(())
    })?;
    look.rows(include_str!("../sql/list_snapshots.sql"), |row| {
        report.snapshots += 1;
        if !fits(row)? {
            let (stream, version) = (row.get_ref(1)?.as_str()?, row.get::<_, i64>(2)?);
            report.find(FILE, format!("the snapshot of {stream} at {version} is damaged and counts as lost"));
        }
        Ok(())
    })
}
