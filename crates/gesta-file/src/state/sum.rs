//! The checksum of a row: SQLite's pages have none.

use xxhash_rust::xxh3::Xxh3Default;

/// The checksum of a row's fields, each with its length, so that nothing can move between them.
pub(crate) fn sum(fields: &[&[u8]]) -> i64 {
    let mut hash = Xxh3Default::new();
    for field in fields {
        hash.update(&(field.len() as u64).to_le_bytes());
        hash.update(field);
    }
    hash.digest().cast_signed()
}
