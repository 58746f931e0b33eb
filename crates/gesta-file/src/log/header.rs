//! The header of a segment: which log it belongs to, and where in it.

use std::path::Path;

use gesta_core::{Incarnation, Position};
use xxhash_rust::xxh3::xxh3_64;

use super::{frame::u64_at, meta::FORMAT};
use crate::{Damage, OpenError};

/// What a segment begins with.
pub(crate) const HEADER: usize = 64;
const MAGIC: &[u8; 8] = b"GESTALOG";

/// The header of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    /// Which life of the log it belongs to.
    pub(crate) incarnation: Incarnation,
    /// The position of its first record.
    pub(crate) first: Position,
}

impl Header {
    /// The bytes a segment begins with; what is not said is zero.
    pub(crate) fn encode(self) -> [u8; HEADER] {
        let mut bytes = [0; HEADER];
        bytes[..8].copy_from_slice(MAGIC);
        bytes[8..12].copy_from_slice(&FORMAT.to_le_bytes());
        bytes[16..32].copy_from_slice(&self.incarnation.to_bytes());
        bytes[32..40].copy_from_slice(&self.first.get().to_le_bytes());
        let checksum = xxh3_64(&bytes[..56]);
        bytes[56..].copy_from_slice(&checksum.to_le_bytes());
        bytes
    }

    /// Reads the header of the segment at `path`, which is to be this one.
    pub(crate) fn check(self, bytes: &[u8; HEADER], path: &Path) -> Result<(), OpenError> {
        let format = u32::from_le_bytes(bytes[8..12].try_into().expect("four bytes"));
        if bytes[..8] == *MAGIC && format > FORMAT {
            return Err(OpenError::NewerFormat {
                place: path.display().to_string(),
                found: format,
                known: FORMAT,
            });
        }
        if *bytes == self.encode() {
            return Ok(());
        }
        let reason = if u64_at(bytes, 56) != xxh3_64(&bytes[..56]) {
            "its checksum does not match"
        } else {
            "it belongs to another log, another life of this one, or another place in it"
        };
        Err(Damage::range(path, 0, HEADER as u64, format!("the header: {reason}")).into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_of_another_place_or_with_a_flipped_bit_is_refused() {
        let header = Header { incarnation: Incarnation::from_bytes([1; 16]), first: Position::new(9) };
        let path = Path::new("x.events");
        assert!(header.check(&header.encode(), path).is_ok());
        assert!(Header { first: Position::new(8), ..header }.check(&header.encode(), path).is_err());
        for bit in 0..HEADER * 8 {
            let mut bytes = header.encode();
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert!(header.check(&bytes, path).is_err(), "bit {bit}");
        }
    }
}
