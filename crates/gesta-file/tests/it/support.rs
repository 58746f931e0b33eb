//! What the tests of this folder share.

use gesta_file::Options;

/// Segments of a few events.
pub(crate) fn tiny() -> Options {
    Options::default().segment_bytes(2 << 10, 16 << 10)
}
