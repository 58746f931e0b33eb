//! The file `meta`: which log this is, and how it was left.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use gesta_core::{Incarnation, Position};
use xxhash_rust::xxh3::xxh3_64;

use super::{folder::replace, frame::u64_at};
use crate::{Damage, OpenError};

/// The format of everything under the data folder that only this crate reads.
pub(crate) const FORMAT: u32 = 1;

const MAGIC: &[u8; 8] = b"GESTAMET";
const BYTES: usize = 48;
const CLEAN: u32 = 1;

/// What `meta` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Meta {
    /// Which life of the log.
    pub(crate) incarnation: Incarnation,
    /// Up to here the log was durable when this was written.
    pub(crate) head: Position,
    /// Whether nothing was appended since.
    pub(crate) clean: bool,
}

impl Meta {
    /// Reads the file; `None` if there is none.
    pub(crate) fn read(dir: &Path) -> Result<Option<Self>, OpenError> {
        let path = place(dir);
        match fs::read(&path) {
            Ok(bytes) => Self::decode(&bytes, &path).map(Some),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(OpenError::io(&path)(error)),
        }
    }

    /// Replaces the file: whole and durable, or as it was.
    pub(crate) fn write(self, dir: &Path) -> io::Result<()> {
        replace(&place(dir), &self.encode())
    }

    fn encode(self) -> [u8; BYTES] {
        let mut bytes = [0; BYTES];
        bytes[..8].copy_from_slice(MAGIC);
        bytes[8..12].copy_from_slice(&FORMAT.to_le_bytes());
        bytes[12..16].copy_from_slice(&(if self.clean { CLEAN } else { 0 }).to_le_bytes());
        bytes[16..32].copy_from_slice(&self.incarnation.to_bytes());
        bytes[32..40].copy_from_slice(&self.head.get().to_le_bytes());
        let checksum = xxh3_64(&bytes[..40]);
        bytes[40..].copy_from_slice(&checksum.to_le_bytes());
        bytes
    }

    fn decode(bytes: &[u8], path: &Path) -> Result<Self, OpenError> {
        let damaged = |reason| OpenError::Damaged(Damage::file(path, reason));
        let start = bytes.first_chunk::<12>().filter(|start| start[..8] == *MAGIC);
        let start = start.ok_or_else(|| damaged("it does not begin as it should"))?;
        let format = u32::from_le_bytes(start[8..].try_into().expect("four bytes"));
        if format > FORMAT {
            return Err(OpenError::NewerFormat {
                place: path.display().to_string(),
                found: format,
                known: FORMAT,
            });
        }
        if bytes.len() != BYTES {
            return Err(damaged("it has not 48 bytes"));
        }
        if u64_at(bytes, 40) != xxh3_64(&bytes[..40]) {
            return Err(damaged("its checksum does not match"));
        }
        let incarnation = Incarnation::from_bytes(bytes[16..32].try_into().expect("sixteen bytes"));
        let flags = u32::from_le_bytes(bytes[12..16].try_into().expect("four bytes"));
        Ok(Self { incarnation, head: Position::new(u64_at(bytes, 32)), clean: flags & CLEAN != 0 })
    }
}

fn place(dir: &Path) -> PathBuf {
    dir.join("meta")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meta() -> Meta {
        Meta { incarnation: Incarnation::from_bytes([3; 16]), head: Position::new(77), clean: true }
    }

    #[test]
    fn it_reads_what_it_wrote() {
        let dir = tempfile::tempdir().expect("a folder");
        assert_eq!(Meta::read(dir.path()).expect("reads"), None);
        meta().write(dir.path()).expect("writes");
        assert_eq!(Meta::read(dir.path()).expect("reads"), Some(meta()));
    }

    #[test]
    fn every_flipped_bit_and_every_cut_is_refused() {
        let (whole, path) = (meta().encode(), Path::new("meta"));
        for bit in 0..BYTES * 8 {
            let mut bytes = whole;
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert!(Meta::decode(&bytes, path).is_err(), "bit {bit}");
        }
        for length in 0..BYTES {
            assert!(Meta::decode(&whole[..length], path).is_err(), "{length} bytes");
        }
    }

    #[test]
    fn a_newer_format_is_refused_by_its_number() {
        let mut bytes = meta().encode();
        bytes[8] = 2;
        let error = Meta::decode(&bytes, Path::new("meta")).expect_err("newer");
        assert!(matches!(error, OpenError::NewerFormat { found: 2, known: FORMAT, .. }), "{error}");
    }
}
