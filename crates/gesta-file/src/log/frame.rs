//! Frames: what a segment consists of behind its header.
//!
//! A frame is 16 bytes of checksum, length and kind, and then `length` bytes. A group frame says how many bytes of
//! record frames follow that were written and synced together; a record frame holds one canonical envelope. All
//! zeros is space nobody wrote to yet. Integers are little-endian; `docs/format.md` has it byte by byte.

use gesta_core::{Incarnation, Position};
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

use crate::planted::armed;

/// Checksum, length, kind.
pub(crate) const FRAME: usize = 16;
/// A group frame as a whole.
pub(crate) const GROUP: usize = FRAME + GROUP_BODY;
const GROUP_BODY: usize = 16;
/// The largest envelope that is taken for one: limits allow 1 MiB of data, 64 KiB of metadata and some names.
pub(crate) const MAX_ENVELOPE: usize = 2 << 20;
/// No group is larger, so nothing that a crash tore lies further behind the last whole one.
pub(crate) const MAX_GROUP: usize = 16 << 20;

const KIND_GROUP: u32 = 1;
const KIND_RECORD: u32 = 2;
/// Set beside [`KIND_RECORD`] on the last record of a batch.
const LAST_OF_BATCH: u32 = 0x100;

/// What a group frame says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Group {
    /// The position of its first record.
    pub(crate) first: Position,
    /// How many records it holds.
    pub(crate) records: u32,
    /// How many bytes they take.
    pub(crate) extent: u32,
}

/// The start of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Head {
    /// Nothing was written here.
    Blank,
    Group,
    Record {
        /// Length of the envelope.
        length: usize,
        last_of_batch: bool,
    },
}

/// Why bytes are no frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FrameError {
    #[error("a frame of unknown kind or impossible length")]
    Head,
    #[error("a checksum does not match")]
    Checksum,
}

/// Reads the first 16 bytes of a frame. They are covered by the frame's checksum, which is not compared here.
pub(crate) fn head(bytes: &[u8; FRAME]) -> Result<Head, FrameError> {
    let length = u32_at(bytes, 8) as usize;
    match u32_at(bytes, 12) {
        0 if *bytes == [0; FRAME] => Ok(Head::Blank),
        KIND_GROUP if length == GROUP_BODY => Ok(Head::Group),
        kind if kind & !LAST_OF_BATCH == KIND_RECORD && 0 < length && length <= MAX_ENVELOPE => {
            Ok(Head::Record { length, last_of_batch: kind & LAST_OF_BATCH != 0 })
        }
        _ => Err(FrameError::Head),
    }
}

/// Reads a whole group frame that stands at `offset` of a segment.
///
/// Its checksum is seeded with the incarnation and the offset, so that bytes inside an event which look like a
/// group are not taken for one.
pub(crate) fn group(bytes: &[u8; GROUP], incarnation: Incarnation, offset: u64) -> Result<Group, FrameError> {
    if u64_at(bytes, 0) != xxh3_64_with_seed(&bytes[8..], seed(incarnation, offset)) {
        return Err(FrameError::Checksum);
    }
    let first = Position::new(u64_at(bytes, FRAME));
    Ok(Group { first, records: u32_at(bytes, FRAME + 8), extent: u32_at(bytes, FRAME + 12) })
}

/// Compares the checksum of a whole record frame.
pub(crate) fn check_record(frame: &[u8]) -> Result<(), FrameError> {
    if u64_at(frame, 0) == xxh3_64(&frame[8..]) || armed("torn_tail_kept") {
        Ok(())
    } else {
        Err(FrameError::Checksum)
    }
}

/// Writes the group frame into the first [`GROUP`] bytes of a buffer that is going to `offset`.
pub(crate) fn write_group(buffer: &mut [u8], group: Group, incarnation: Incarnation, offset: u64) {
    buffer[8..12].copy_from_slice(&(GROUP_BODY as u32).to_le_bytes());
    buffer[12..16].copy_from_slice(&KIND_GROUP.to_le_bytes());
    buffer[FRAME..FRAME + 8].copy_from_slice(&group.first.get().to_le_bytes());
    buffer[FRAME + 8..FRAME + 12].copy_from_slice(&group.records.to_le_bytes());
    buffer[FRAME + 12..GROUP].copy_from_slice(&group.extent.to_le_bytes());
    let checksum = xxh3_64_with_seed(&buffer[8..GROUP], seed(incarnation, offset));
    buffer[..8].copy_from_slice(&checksum.to_le_bytes());
}

/// Writes length and kind of a record frame whose envelope stands behind its first [`FRAME`] bytes.
pub(crate) fn begin_record(frame: &mut [u8], last_of_batch: bool) {
    let length = u32::try_from(frame.len() - FRAME).expect("limits keep an envelope below 4 GiB");
    let kind = if last_of_batch { KIND_RECORD | LAST_OF_BATCH } else { KIND_RECORD };
    frame[8..12].copy_from_slice(&length.to_le_bytes());
    frame[12..16].copy_from_slice(&kind.to_le_bytes());
}

/// Writes the checksum of a record frame that is complete.
pub(crate) fn seal_record(frame: &mut [u8]) {
    let checksum = xxh3_64(&frame[8..]);
    frame[..8].copy_from_slice(&checksum.to_le_bytes());
}

/// Where in `bytes`, which stand at `offset` of a segment, a valid group frame is, if there is one.
pub(crate) fn find_group(bytes: &[u8], incarnation: Incarnation, offset: u64) -> Option<usize> {
    let mut mark = [0; 8];
    mark[..4].copy_from_slice(&(GROUP_BODY as u32).to_le_bytes());
    mark[4..].copy_from_slice(&KIND_GROUP.to_le_bytes());
    let mut from = 0;
    while let Some(found) =
        bytes.get(from + 8..).and_then(|rest| rest.windows(8).position(|eight| eight == mark))
    {
        let at = from + found;
        let frame = bytes[at..].first_chunk::<GROUP>()?;
        if group(frame, incarnation, offset + at as u64).is_ok() {
            return Some(at);
        }
        from = at + 1;
    }
    None
}

fn seed(incarnation: Incarnation, offset: u64) -> u64 {
    u64_at(&incarnation.to_bytes(), 0) ^ offset
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

pub(crate) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LIFE: Incarnation = Incarnation::from_bytes([7; 16]);

    fn group_at(offset: u64) -> [u8; GROUP] {
        let mut bytes = [0; GROUP];
        write_group(&mut bytes, Group { first: Position::new(5), records: 2, extent: 99 }, LIFE, offset);
        bytes
    }

    #[test]
    fn a_group_is_only_valid_where_it_was_written() {
        let bytes = group_at(4096);
        assert_eq!(group(&bytes, LIFE, 4096).expect("valid").records, 2);
        assert!(group(&bytes, LIFE, 4097).is_err());
        assert!(group(&bytes, Incarnation::from_bytes([8; 16]), 4096).is_err());
    }

    proptest! {
        #[test]
        fn a_group_is_found_wherever_it_stands(before: Vec<u8>, after: Vec<u8>) {
            let bytes = [&before[..], &group_at(before.len() as u64 + 10), &after].concat();
            prop_assert_eq!(find_group(&bytes, LIFE, 10), Some(before.len()));
            prop_assert_eq!(find_group(&before, LIFE, 10), None);
        }

        #[test]
        fn a_flipped_bit_is_noticed(envelope in prop::collection::vec(any::<u8>(), 1..50), bit: prop::sample::Index) {
            let mut frame = [&[0; FRAME][..], &envelope].concat();
            begin_record(&mut frame, true);
            seal_record(&mut frame);
            prop_assert!(check_record(&frame).is_ok());
            let bit = bit.index(frame.len() * 8);
            frame[bit / 8] ^= 1 << (bit % 8);
            prop_assert!(check_record(&frame).is_err());
        }
    }
}
