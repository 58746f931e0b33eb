//! Makes a log from a backup.

use std::{fs, path::Path};

use gesta_core::{Incarnation, Position};

use super::{BackupError, CopyReport, begin, manifest::Manifest, segment::Source};
use crate::{
    Damage, Progress,
    log::{
        folder::{Folder, sync_names},
        meta::Meta,
        segment as names,
    },
    state,
};

/// Makes the log in `dir`, which must be empty or absent, from the backup `from`: the same events at the same
/// positions, in a **new life**. Whoever comes with a cursor of the former one is refused and has to begin again,
/// since what they saw behind the backup's end may never have happened here.
///
/// Nothing is made if any file of the backup is not as it was copied. The index is built at the first start.
pub fn restore(
    from: impl AsRef<Path>,
    dir: impl AsRef<Path>,
    progress: &mut dyn FnMut(Progress),
) -> Result<CopyReport, BackupError> {
    let (from, dir) = (from.as_ref(), dir.as_ref());
    let manifest = Manifest::read(from)?;
    whole(&manifest, from, progress)?;
    let log = begin(dir)?;
    // Nobody opens what is half done.
    let folder = Folder::open(dir)?;
    let incarnation = Incarnation::random();
    let mut next = Position::new(1);
    for file in &manifest.files {
        progress(Progress { part: "restoring", done: next.get() - 1, total: manifest.head.get() });
        if file.name == state::FILE {
            let to = dir.join(state::FILE);
            fs::copy(from.join(state::FILE), &to).map_err(BackupError::io(&to))?;
            state::adopt(&to, incarnation)?;
            let synced = fs::File::open(&to).and_then(|file| file.sync_all());
            synced.map_err(BackupError::io(&to))?;
            continue;
        }
        let first = file.name.strip_prefix("log/").and_then(names::first_of).filter(|first| *first == next);
        let Some(first) = first else {
            return Err(Damage::file(&from.join(&file.name), "it is no segment that belongs here").into());
        };
        let source =
            Source { dir: &from.join("log"), incarnation: manifest.incarnation, first, is_last: false };
        next = source.copy(&log.join(names::name(first)), incarnation)?;
    }
    let head = Position::new(next.get() - 1);
    if head != manifest.head {
        let reason = format!("its segments end at {head}, the backup at {}", manifest.head);
        return Err(Damage::file(from, reason).into());
    }
    sync_names(&log).map_err(BackupError::io(&log))?;
    sync_names(folder.path()).map_err(BackupError::io(dir))?;
    // Last: without it there is no log here, and a start says so.
    Meta { incarnation, head, clean: true }.write(folder.path()).map_err(BackupError::io(dir))?;
    progress(Progress { part: "restoring", done: head.get(), total: manifest.head.get() });
    Ok(CopyReport { incarnation, ..manifest.copy() })
}

/// Refuses a backup of which any file is missing or not as it was copied, before anything is written.
fn whole(manifest: &Manifest, from: &Path, progress: &mut dyn FnMut(Progress)) -> Result<(), BackupError> {
    let mut first_wrong = None;
    manifest
        .compare(from, progress, &mut |name, reason| {
            first_wrong.get_or_insert_with(|| Damage::file(&from.join(name), reason));
        })
        .map_err(BackupError::io(from))?;
    first_wrong.map_or(Ok(()), |damage| Err(damage.into()))
}
