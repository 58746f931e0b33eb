//! Turns entries of the log into the keys and values that stand for them.

use std::collections::HashMap;

use gesta_core::{Position, StreamId, Version};

use super::{
    Entry,
    keys::{self, TenantNumber},
};

/// A chunk longer than this is cut, so that a short read decodes little.
const CHUNK_POSITIONS: usize = 512;

/// A key with its value.
pub(super) type Pair = (Vec<u8>, Vec<u8>);

/// The keys and values of `entries`, in no particular order. They depend on the entries alone, so that writing
/// them twice is harmless.
pub(super) fn pairs(entries: &[(TenantNumber, &Entry)]) -> Vec<Pair> {
    let mut pairs = Vec::with_capacity(entries.len() * 3);
    let mut streams: HashMap<(TenantNumber, &StreamId), Tail<'_>> = HashMap::new();
    let mut correlations: HashMap<(TenantNumber, &str), Vec<Position>> = HashMap::new();
    for (tenant, entry) in entries {
        let position = entry.position.get().to_le_bytes();
        pairs.push((keys::id(*tenant, entry.id).to_vec(), position.to_vec()));
        streams.entry((*tenant, &entry.stream)).or_insert_with(|| Tail::of(*tenant, &entry.stream)).push(
            entry.version,
            entry.position,
            &mut pairs,
        );
        if let Some(correlation) = &entry.correlation {
            correlations.entry((*tenant, correlation)).or_default().push(entry.position);
        }
    }
    for tail in streams.into_values() {
        tail.finish(&mut pairs);
    }
    for ((tenant, text), positions) in correlations {
        let prefix = keys::correlation(tenant, text);
        for positions in positions.chunks(CHUNK_POSITIONS) {
            let last = positions.last().expect("chunks are never empty").get();
            pairs.push((keys::at(&prefix, last), keys::chunk(positions)));
        }
    }
    pairs
}

/// The positions of one stream that are in no chunk yet.
struct Tail<'a> {
    tenant: TenantNumber,
    stream: &'a StreamId,
    version: Version,
    positions: Vec<Position>,
    last: Position,
}

impl<'a> Tail<'a> {
    fn of(tenant: TenantNumber, stream: &'a StreamId) -> Self {
        Self { tenant, stream, version: Version::EMPTY, positions: Vec::new(), last: Position::START }
    }

    fn push(&mut self, version: Version, position: Position, pairs: &mut Vec<Pair>) {
        // Versions have no gaps, so the last one and the count tell all of them; a log that was damaged and cut by
        // hand could have one, and then a new chunk begins.
        if self.positions.len() == CHUNK_POSITIONS || version != self.version.next() {
            self.close(pairs);
        }
        self.version = version;
        self.last = position;
        self.positions.push(position);
    }

    fn close(&mut self, pairs: &mut Vec<Pair>) {
        if self.positions.is_empty() {
            return;
        }
        let key = keys::at(&keys::stream(self.tenant, self.stream.as_str()), self.version.get());
        pairs.push((key, keys::chunk(&self.positions)));
        self.positions.clear();
    }

    fn finish(mut self, pairs: &mut Vec<Pair>) {
        self.close(pairs);
        pairs
            .push((keys::head(self.tenant, self.stream.as_str()), keys::head_value(self.version, self.last)));
    }
}
