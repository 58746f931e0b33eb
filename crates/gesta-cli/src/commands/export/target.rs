//! Where an export goes, and how far it is.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, BufWriter, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use crate::exit::Failure;

/// A file that an export can go on with, or standard output.
pub(super) struct Target {
    out: BufWriter<Box<dyn Write + Send>>,
    file: Option<(PathBuf, File)>,
    written: u64,
    cursor: Option<String>,
}

/// How far an export is: what FILE.cursor holds.
#[derive(Serialize, Deserialize)]
struct Progress {
    cursor: String,
    bytes: u64,
}

impl Target {
    /// Opens a file, behind what is settled in it; whatever was written after that is cut off.
    pub(super) fn open(path: &Path) -> Result<Self, Failure> {
        if path == Path::new("-") {
            let out = BufWriter::new(Box::new(io::stdout()) as Box<dyn Write + Send>);
            return Ok(Self { out, file: None, written: 0, cursor: None });
        }
        let unusable =
            |error: io::Error| Failure::failed(format!("{} cannot be written: {error}", path.display()));
        let progress = read_progress(path)?;
        if progress.is_none() && fs::metadata(path).is_ok_and(|meta| meta.len() > 0) {
            return Err(Failure::failed(format!(
                "{} is there already and no export has begun it: name another file, or remove it",
                path.display()
            )));
        }
        let mut file =
            OpenOptions::new().create(true).write(true).truncate(false).open(path).map_err(unusable)?;
        let written = progress.as_ref().map_or(0, |progress| progress.bytes);
        if file.metadata().map_err(unusable)?.len() < written {
            return Err(Failure::failed(format!(
                "{} is shorter than its .cursor file says: remove both and export again",
                path.display()
            )));
        }
        file.set_len(written).and_then(|()| file.seek(SeekFrom::End(0))).map_err(unusable)?;
        let handle = file.try_clone().map_err(unusable)?;
        let out = BufWriter::with_capacity(256 * 1024, Box::new(file) as Box<dyn Write + Send>);
        let cursor = progress.map(|progress| progress.cursor);
        Ok(Self { out, file: Some((path.to_owned(), handle)), written, cursor })
    }

    /// Behind which cursor it goes on.
    pub(super) fn cursor(&self) -> Option<String> {
        self.cursor.clone()
    }

    pub(super) fn is_stdout(&self) -> bool {
        self.file.is_none()
    }

    /// Writes one line.
    pub(super) fn line(&mut self, value: &impl Serialize) -> Result<(), Failure> {
        let mut bytes = serde_json::to_vec(value).map_err(io::Error::from)?;
        bytes.push(b'\n');
        self.written += bytes.len() as u64;
        Ok(self.out.write_all(&bytes)?)
    }

    /// Everything so far is behind it, and `cursor` says where to go on.
    pub(super) fn settle(&mut self, cursor: &str) -> Result<(), Failure> {
        self.out.flush()?;
        let Some((path, file)) = &self.file else { return Ok(()) };
        // The events first: a cursor that is ahead of them would leave some out.
        file.sync_data()?;
        let progress = Progress { cursor: cursor.to_owned(), bytes: self.written };
        let beside = cursor_path(path).with_extension("cursor.new");
        fs::write(&beside, serde_json::to_vec(&progress).map_err(io::Error::from)?)?;
        Ok(fs::rename(&beside, cursor_path(path))?)
    }
}

fn cursor_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".cursor");
    name.into()
}

fn read_progress(path: &Path) -> Result<Option<Progress>, Failure> {
    let cursor = cursor_path(path);
    let bytes = match fs::read(&cursor) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Failure::failed(format!("{} cannot be read: {error}", cursor.display()))),
    };
    serde_json::from_slice(&bytes).map(Some).map_err(|_| {
        Failure::failed(format!(
            "{} is no cursor of an export: remove it and the file, and export again",
            cursor.display()
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_after_the_last_cursor_is_cut_off() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("events.ndjson");
        let mut target = Target::open(&path).expect("opens");
        target.line(&1).expect("written");
        target.settle("c1").expect("settled");
        target.line(&2).expect("written");
        target.out.flush().expect("flushed");
        drop(target);
        let mut target = Target::open(&path).expect("opens again");
        assert_eq!(target.cursor().as_deref(), Some("c1"));
        target.line(&3).expect("written");
        target.settle("c2").expect("settled");
        assert_eq!(fs::read_to_string(&path).expect("readable"), "1\n3\n");
    }

    #[test]
    fn a_file_that_no_export_began_is_left_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("mine.txt");
        fs::write(&path, "mine").expect("written");
        assert!(Target::open(&path).is_err());
        assert_eq!(fs::read_to_string(&path).expect("readable"), "mine");
    }
}
