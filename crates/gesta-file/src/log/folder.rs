//! The data folder: who holds it, and what it stands on.

use std::{
    fs::{self, File, TryLockError},
    io::{self, Write},
    path::{Path, PathBuf},
};

use crate::OpenError;

/// The locked data folder. The lock goes with the value, or with the process.
pub(crate) struct Folder {
    path: PathBuf,
    handle: File,
    volatile: bool,
}

impl Folder {
    /// Opens the folder, made if absent, and locks it. Refuses network file systems.
    pub(crate) fn open(path: &Path) -> Result<Self, OpenError> {
        let shown = || path.display().to_string();
        fs::create_dir_all(path).map_err(OpenError::io(path))?;
        let path = fs::canonicalize(path).map_err(OpenError::io(path))?;
        let handle = File::open(&path).map_err(OpenError::io(&path))?;
        match handle.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(OpenError::InUse { dir: shown() }),
            Err(TryLockError::Error(source)) => return Err(OpenError::Io { place: shown(), source }),
        }
        let kind = rustix::fs::fstatfs(&handle)
            .map_err(|error| OpenError::Io { place: shown(), source: error.into() })?
            .f_type;
        if let Some(kind) = network(kind as u64) {
            return Err(OpenError::NetworkFileSystem { dir: shown(), kind });
        }
        Ok(Self { path, handle, volatile: in_memory(kind as u64) })
    }

    /// Where it is, without symbolic links.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The folder of the segments.
    pub(crate) fn log(&self) -> PathBuf {
        self.path.join("log")
    }

    /// Whether what is stored here is gone with the machine's power, synced or not.
    pub(crate) fn is_volatile(&self) -> bool {
        self.volatile
    }

    /// Lets another process have it.
    pub(crate) fn unlock(&self) -> io::Result<()> {
        self.handle.unlock()
    }
}

/// Replaces a file, by way of one beside it that ends in `.tmp`: it is whole and durable afterwards, or as it was.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let new = path.with_added_extension("tmp");
    let mut file = File::create(&new)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&new, path)?;
    path.parent().map_or(Ok(()), sync_names)
}

/// Makes the names in a folder durable.
pub(crate) fn sync_names(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

/// The name of a network file system by its magic number, see statfs(2). FUSE is not among them: it says nothing
/// about where the bytes are.
fn network(kind: u64) -> Option<&'static str> {
    Some(match kind & 0xFFFF_FFFF {
        0x6969 => "NFS",
        0x517B => "SMB",
        0xFF53_4D42 => "CIFS",
        0xFE53_4D42 => "SMB2",
        0x0102_1997 => "9P",
        0x00C3_6400 => "Ceph",
        0x5346_414F | 0x6B41_4653 => "AFS",
        0x0BD0_0BD0 => "Lustre",
        0x7461_636F => "OCFS2",
        0x0116_1970 => "GFS2",
        0x7375_7245 => "Coda",
        _ => return None,
    })
}

/// tmpfs and ramfs.
fn in_memory(kind: u64) -> bool {
    matches!(kind & 0xFFFF_FFFF, 0x0102_1994 | 0x8584_58F6)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_has_one_holder() {
        let dir = tempfile::tempdir().expect("a folder");
        let held = Folder::open(dir.path()).expect("opens");
        assert!(matches!(Folder::open(dir.path()), Err(OpenError::InUse { .. })));
        drop(held);
        assert!(Folder::open(dir.path()).is_ok());
    }

    #[test]
    fn network_file_systems_are_known_by_their_number() {
        assert_eq!((network(0x6969), network(0xEF53)), (Some("NFS"), None));
        assert!(in_memory(0x0102_1994) && !in_memory(0xEF53));
    }
}
