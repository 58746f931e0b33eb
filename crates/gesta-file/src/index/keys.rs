//! The keys and values of the index. The first byte tells the kinds apart, so that one tree holds them all and one
//! batch is atomic over all of them:
//!
//! | Byte | Rest of the key | Value |
//! |---|---|---|
//! | 0 | – | format number `u32`, incarnation (16 bytes) |
//! | 1 | – | watermark `u64` |
//! | 2 | tenant's name | tenant's number `u32` |
//! | 3 | tenant's number, event id | position |
//! | 4 | tenant's number, stream | version, last position |
//! | 5 | tenant's number, stream, 0, last version of the chunk `u64` | positions of the chunk |
//! | 6 | tenant's number, hash of the correlation, last position of the chunk `u64` | positions of the chunk |
//!
//! A tenant's number takes three bytes: with them the key of an id has the 20 bytes that the tree below keeps without
//! an allocation. Numbers inside keys are big-endian, so that byte order is their order; those in values are
//! little-endian, or LEB128 where small ones are the rule. A chunk holds rising positions: the first, then the
//! distances.

use gesta_core::{Incarnation, Position, StreamId, Version};

/// The layout above. Another number, or another incarnation, is rebuilt.
pub(super) const FORMAT: u32 = 1;

/// Key of the format and the incarnation.
pub(super) const IDENTITY: [u8; 1] = [0];
/// Key of the watermark.
pub(super) const WATERMARK: [u8; 1] = [1];
/// First byte of the tenants' keys.
pub(super) const TENANTS: u8 = 2;
const IDS: u8 = 3;
const HEADS: u8 = 4;
const STREAMS: u8 = 5;
const CORRELATIONS: u8 = 6;

/// A tenant's number in this index: shorter than its name, which would stand in every key.
pub(super) type TenantNumber = u32;

/// What [`IDENTITY`] holds.
pub(super) fn identity(incarnation: Incarnation) -> [u8; 20] {
    let mut value = [0; 20];
    value[..4].copy_from_slice(&FORMAT.to_le_bytes());
    value[4..].copy_from_slice(&incarnation.to_bytes());
    value
}

pub(super) fn tenant(name: &str) -> Vec<u8> {
    [&[TENANTS], name.as_bytes()].concat()
}

/// The most tenants an index can tell apart.
pub(super) const TENANTS_AT_MOST: TenantNumber = 1 << 24;

fn of(kind: u8, tenant: TenantNumber) -> [u8; 4] {
    let [_, a, b, c] = tenant.to_be_bytes();
    [kind, a, b, c]
}

pub(super) fn id(tenant: TenantNumber, id: u128) -> [u8; 20] {
    let mut key = [0; 20];
    key[..4].copy_from_slice(&of(IDS, tenant));
    key[4..].copy_from_slice(&id.to_be_bytes());
    key
}

/// The head of a stream; a beginning of a name gives the prefix of all heads that begin so.
pub(super) fn head(tenant: TenantNumber, name: &str) -> Vec<u8> {
    [&of(HEADS, tenant), name.as_bytes()].concat()
}

/// What a key that has a tenant is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Id,
    Head,
    Stream,
    Correlation,
}

/// Takes a key apart that has a tenant.
pub(super) fn split(key: &[u8]) -> Option<(Kind, TenantNumber, &[u8])> {
    let (&[kind, a, b, c], rest) = key.split_first_chunk::<4>()?;
    let kind = match kind {
        IDS => Kind::Id,
        HEADS => Kind::Head,
        STREAMS => Kind::Stream,
        CORRELATIONS => Kind::Correlation,
        _ => return None,
    };
    Some((kind, TenantNumber::from_be_bytes([0, a, b, c]), rest))
}

/// The stream of a head's key.
pub(super) fn stream_of_head(key: &[u8]) -> Option<StreamId> {
    std::str::from_utf8(key.get(4..)?).ok()?.parse().ok()
}

/// Where the chunks of a stream begin; no legal stream id holds the closing zero.
pub(super) fn stream(tenant: TenantNumber, name: &str) -> Vec<u8> {
    [&of(STREAMS, tenant), name.as_bytes(), &[0]].concat()
}

/// What stands for a correlation, since any text may be one: whoever follows a hit compares the text.
pub(super) fn correlation_hash(text: &str) -> u128 {
    xxhash_rust::xxh3::xxh3_128(text.as_bytes())
}

/// Where the chunks of a correlation begin.
pub(super) fn correlation(tenant: TenantNumber, hash: u128) -> Vec<u8> {
    [&of(CORRELATIONS, tenant)[..], &hash.to_be_bytes()].concat()
}

/// A prefix with a number behind it.
pub(super) fn at(prefix: &[u8], number: u64) -> Vec<u8> {
    [prefix, &number.to_be_bytes()].concat()
}

/// The number behind a prefix.
pub(super) fn number_of(key: &[u8]) -> Option<u64> {
    let (_, tail) = key.split_last_chunk::<8>()?;
    Some(u64::from_be_bytes(*tail))
}

/// The value of a head.
pub(super) fn head_value(version: Version, last: Position) -> Vec<u8> {
    let mut value = Vec::with_capacity(12);
    put_number(&mut value, version.get());
    put_number(&mut value, last.get());
    value
}

/// Reads the value of a head.
pub(super) fn read_head(mut value: &[u8]) -> Option<(Version, Position)> {
    let version = take_number(&mut value)?;
    Some((Version::new(version), Position::new(take_number(&mut value)?)))
}

/// A position alone, which is a chunk of one.
pub(super) fn position_value(position: Position) -> Vec<u8> {
    chunk([position])
}

/// Rising positions as one value.
pub(super) fn chunk(positions: impl IntoIterator<Item = Position>) -> Vec<u8> {
    let mut value = Vec::new();
    let mut before = 0;
    for position in positions {
        put_number(&mut value, position.get() - before);
        before = position.get();
    }
    value
}

/// Reads the positions of a chunk, oldest first.
pub(super) fn read_chunk(mut value: &[u8]) -> Option<Vec<Position>> {
    let mut positions = Vec::new();
    let mut before = 0u64;
    while !value.is_empty() {
        before = before.checked_add(take_number(&mut value)?)?;
        positions.push(Position::new(before));
    }
    Some(positions)
}

fn put_number(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

fn take_number(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0u64;
    for shift in (0..64).step_by(7) {
        let (first, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u64::from(first & 0x7f) << shift;
        if first & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_chunk_round_trips(distances in prop::collection::vec(1u64..1 << 40, 0..50)) {
            let mut at = 0;
            let positions: Vec<_> = distances.iter().map(|d| { at += d; Position::new(at) }).collect();
            prop_assert_eq!(read_chunk(&chunk(positions.iter().copied())), Some(positions));
        }

        #[test]
        fn no_bytes_make_the_readers_panic(bytes: Vec<u8>) {
            let _ = (read_chunk(&bytes), read_head(&bytes), number_of(&bytes), stream_of_head(&bytes));
        }

        #[test]
        fn keys_are_ordered_as_their_numbers(a: u64, b: u64) {
            prop_assert_eq!(a.cmp(&b), at(b"x", a).cmp(&at(b"x", b)));
        }
    }
}
